import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { identifierOf } from "../server/rds/instance.ts";
import { repositoryNameOf } from "./image.ts";

/**
 * For publish.sh: prints the `operatorImage` of a stack's file, or with `--repository` the name of the stack's repository.
 * It reads the file alone, for the stack's secrets are nobody's business here.
 */
const [stack = "", what] = process.argv.slice(2);
const read = (file: string) => parse(readFileSync(file, "utf8")) as { name?: string; config?: Record<string, unknown> };
const project = String(read("Pulumi.yaml").name);
const { config = {} } = read(`Pulumi.${stack}.yaml`);
const asked = config[`${project}:operatorImage`] ?? config.operatorImage ?? "";
console.log(what === "--repository" ? repositoryNameOf(identifierOf(project, stack)) : String(asked));
