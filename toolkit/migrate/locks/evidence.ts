import { connect } from "../../connection.ts";
import { messageOf } from "../../errors.ts";
import type { MigrationFile } from "../files.ts";
import type { Situation } from "../plan.ts";
import { render, shorthandsUpTo } from "../render.ts";
import { makeClone } from "./clone.ts";
import type { Observation } from "./observation.ts";
import { observeMigration } from "./observe.ts";
import { readRelations } from "./relations.ts";
import { type ScratchServer, startScratchServer } from "./scratchServer.ts";

/** What the pending migrations did to an empty copy of the schema. */
export interface Evidence {
  /** For each migration that was tried, an observation for each statement that ran. */
  observations: Map<string, Observation[]>;
  /** Whether the copy's schema is the live one, by its fingerprint; undefined where there is no live one to compare. */
  sameSchema: boolean | undefined;
  /** Version of the server that ran them. */
  version: string;
  /** The migration that failed there, which ends the evidence. */
  failure: { migration: string; reason: string } | undefined;
}

/**
 * Runs pending migrations on an empty copy of the schema, on a throw-away server of this machine, and records the locks.
 * @param applied names of the applied migrations, in their order
 * @param situation what the live database says, where it could be asked
 * @returns the evidence, or why there is none, in words
 */
export async function gatherEvidence(
  files: readonly MigrationFile[],
  applied: readonly string[],
  pending: readonly MigrationFile[],
  situation: Situation | undefined,
): Promise<Evidence | string> {
  let server: ScratchServer;
  try {
    server = await startScratchServer();
  } catch (error) {
    return firstLine(error);
  }
  try {
    return await onServer(server, files, applied, pending, situation);
  } finally {
    await server.stop();
  }
}

async function onServer(
  server: ScratchServer,
  files: readonly MigrationFile[],
  applied: readonly string[],
  pending: readonly MigrationFile[],
  situation: Situation | undefined,
): Promise<Evidence | string> {
  let clone: Awaited<ReturnType<typeof makeClone>>;
  try {
    clone = await makeClone(server.connection, files, applied);
  } catch (error) {
    return `the applied migrations do not run on an empty database: ${firstLine(error)}`;
  }
  const { client, connection } = clone;
  const watcher = await connect(connection, { applicationName: "postgres-from-code watch" });
  try {
    const open = () => connect(connection, { applicationName: "postgres-from-code snapshot" });
    const observer = { client, watcher, open, before: await readRelations(client) };
    const observations = new Map<string, Observation[]>();
    let failure: Evidence["failure"];
    for (const migration of pending) {
      const seen: Observation[] = [];
      observations.set(migration.name, seen);
      try {
        const rendered = await render(migration, "up", shorthandsUpTo(files, migration.name));
        await observeMigration(observer, rendered, (observation) => void seen.push(observation));
      } catch (error) {
        failure = { migration: migration.name, reason: firstLine(error) };
        break;
      }
    }
    const sameSchema = situation && isSameSchema(clone.fingerprint, server.version, situation);
    return { observations, sameSchema, version: server.version, failure };
  } finally {
    await Promise.all([client.end(), watcher.end()]);
  }
}

function isSameSchema(copy: string, version: string, { fingerprint, major, journal }: Situation): boolean {
  if (fingerprint === copy) return true;
  // Another version may print the same definition another way; then what counts is that it is as the last run left it.
  return Number.parseInt(version, 10) !== major && journal.schema?.fingerprint === fingerprint;
}

function firstLine(error: unknown): string {
  return messageOf(error).split("\n")[0]!;
}
