import { readFile, rename, writeFile } from "node:fs/promises";
import { type Document, isMap, isScalar, parseDocument, type Scalar } from "yaml";
import { messageOf, UserError } from "../errors.ts";
import type { Recommendation } from "./recommend.ts";

const key = "database:parameters";

/** A parameter in the configuration of a stack that is not what it was. */
export interface Written {
  name: string;
  before: string | null;
  after: string;
}

/**
 * Writes recommendations into a stack's file, as values of `database:parameters`: comments and order stay, other
 * parameters too. A bare number is in PostgreSQL's base unit, which the embedded server and RDS read alike; a comment
 * beside it says it for people. The file is replaced at once or not at all.
 * @param options.dry only tells what would be written
 * @throws UserError for a file that cannot be read, is not YAML, or whose `database:parameters` holds no parameters
 */
export async function writeParameters(
  file: string,
  recommendations: readonly Pick<Recommendation, "name" | "value" | "recommended">[],
  { dry = false }: { dry?: boolean } = {},
): Promise<Written[]> {
  const document = await readStackFile(file);
  const parameters = document.getIn(["config", key]);
  if (parameters !== undefined && parameters !== null && !isMap(parameters))
    throw new UserError(`${key} in ${file} holds no parameters`, {
      why: "It is no mapping of names to values.",
      fix: "Write it as name: value, one a line, or remove it.",
    });
  const written: Written[] = [];
  for (const { name, value, recommended } of recommendations) {
    const place = ["config", key, name];
    const before = document.getIn(place);
    if (before === value) continue;
    written.push({ name, before: before === undefined ? null : String(before), after: String(value) });
    if (!isMap(document.getIn(["config", key]))) document.setIn(["config", key], document.createNode({}));
    const node = document.createNode(value) as Scalar;
    node.comment = commentBeside(document.getIn(place, true), typeof value === "number" ? recommended : String(value));
    if (node.comment === ` ${value}`) node.comment = null;
    document.setIn(place, node);
  }
  if (written.length > 0 && !dry) {
    const draft = `${file}.partial`;
    await writeFile(draft, document.toString({ lineWidth: 0, flowCollectionPadding: false }));
    await rename(draft, file);
  }
  return written;
}

/** A person's comment stays; a size that stood for the value before gives way to the new one. */
function commentBeside(before: unknown, size: string): string {
  const comment = isScalar(before) ? before.comment : undefined;
  return comment && !/^ [\d.]+(kB|MB|GB|s)$/.test(comment) ? comment : ` ${size}`;
}

async function readStackFile(file: string): Promise<Document> {
  const fix = "Name the file of a stack, like Pulumi.prod.yaml.";
  const text = await readFile(file, "utf8").catch((error) => {
    throw new UserError(`${file} cannot be read`, { why: messageOf(error), fix, exitCode: 2 });
  });
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error) throw new UserError(`${file} is not YAML`, { why: messageOf(error), fix, exitCode: 2 });
  if (document.contents === null) document.contents = document.createNode({}) as never;
  if (!isMap(document.contents)) throw new UserError(`${file} is no file of a stack`, { fix, exitCode: 2 });
  if (!isMap(document.get("config"))) document.set("config", document.createNode({}));
  return document;
}
