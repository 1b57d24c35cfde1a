import { isDeepStrictEqual } from "node:util";
import { UserError } from "../errors.ts";
import type { DiffResult } from "../provider.ts";
import { findBinaries } from "./binaries.ts";
import { hasSettings, readCluster } from "./cluster.ts";
import { serverStatus } from "./control.ts";
import { asSuperuser, connectionTo, type Live, lookAt } from "./live.ts";
import { systemIdentifierIn } from "./owner.ts";
import { findPlace, type Place } from "./place.ts";
import type { ServerInputs, ServerOutputs } from "./properties.ts";
import { replicaLines } from "./replicas.ts";
import { markOf, namesSet, renderSettings, settingChanges } from "./settings.ts";

/**
 * Compares what is asked for with what is really there, and says each difference in a line. What only matters when a
 * server is made (restoreFrom) is none; finalBackup is one, because a destroy goes by the state, not by the configuration.
 * @returns a replacement where the data is gone or of another server, so that all that depends on it is made anew
 */
export async function diffServer(id: string, olds: ServerOutputs, news: ServerInputs): Promise<DiffResult> {
  const place = await findPlace(news.directory);
  const facts = await readCluster(place.data);
  if (facts?.systemIdentifier !== systemIdentifierIn(id)) {
    console.log(
      facts
        ? `${place.data} is the data folder of another server now: up will adopt it`
        : `the data folder ${place.data} is gone: up will make ${news.restoreFrom ? `one from ${news.restoreFrom}` : "a new, empty one"}`,
    );
    // Delete leaves alone what belongs to the new resource: creating first is safe.
    return { changes: true, replaces: ["directory"], deleteBeforeReplace: false };
  }
  const lines = [...(await differences(place, olds, news)), ...(await replicaLines(place, olds, news))];
  if (olds.finalBackup !== news.finalBackup)
    lines.push(`a final backup when the server is destroyed: ${olds.finalBackup} -> ${news.finalBackup}`);
  for (const line of lines) console.log(line);
  return { changes: lines.length > 0 };
}

async function differences(place: Place, olds: ServerOutputs, news: ServerInputs): Promise<string[]> {
  const changed = settingChanges(olds.settings, news.settings);
  const running = await serverStatus(place.data);
  if (!running) return ["the server is not running: up will start it", ...changed];
  if (!running.ready) return ["the server is starting or stopping: up will wait for it", ...changed];
  let live: Live;
  try {
    live = await asSuperuser(running.port, olds.password, (client) =>
      lookAt(client, namesSet(news.settings), news.database),
    );
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [`the server does not let us in: up will put that right if it can\n${error.message}`, ...changed];
  }
  const isRead = live.mark === markOf(news.port, news.settings);
  const isWritten = await hasSettings(place.data, renderSettings(news.port, news.settings));
  const moved = running.port !== news.port;
  return [
    ...(moved ? [`port: ${running.port} -> ${news.port}`] : []),
    ...changed,
    ...(changed.length > 0 || moved || (isRead && isWritten)
      ? []
      : ["the server does not have the stack's settings: up will write and load them"]),
    ...live.pending.map((name) => `${name} waits for a restart`),
    ...live.overridden.map((name) => `${name} is set by ALTER SYSTEM: up will take that back`),
    ...(live.hasDatabase ? [] : [`the database ${news.database} is missing: up will create it`]),
    ...(await versionLines(live)),
    ...stateLines(place, olds, { ...news, version: live.version }),
  ];
}

async function versionLines(live: Live): Promise<string[]> {
  const { version } = await findBinaries();
  return live.version === version
    ? []
    : [`PostgreSQL ${live.version} runs, and ${version} is installed: up will restart it`];
}

/** What the state says and is not so. */
function stateLines(place: Place, olds: ServerOutputs, real: ServerInputs): string[] {
  const { port, database, version } = real;
  const connection = connectionTo(port, database, olds.password);
  return [
    ...(olds.dataDirectory === place.data ? [] : [`data folder: ${olds.dataDirectory} -> ${place.data}`]),
    ...(olds.database === database ? [] : [`database: ${olds.database} -> ${database}`]),
    ...(olds.serverVersion === version ? [] : [`version in the state: ${olds.serverVersion} -> ${version}`]),
    ...(isDeepStrictEqual(olds.connection, connection) || olds.port !== port || olds.database !== database
      ? []
      : ["the connection in the state is not the server's: up will correct it"]),
  ];
}
