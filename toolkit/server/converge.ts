import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type pg from "pg";
import { messageOf, UserError } from "../errors.ts";
import { type Cluster, hasSettings, includeSettings, setPassword, settingsFile } from "./cluster.ts";
import { type Running, serverStatus, settledServer, startServer, stopServer } from "./control.ts";
import { writePrivate } from "./files.ts";
import { asSuperuser, createDatabase, errorsInFiles, type Live, lookAt, resetOverrides } from "./live.ts";
import { clearRemains } from "./processes.ts";
import { markOf, namesSet, renderSettings } from "./settings.ts";

/** What a server must be like. */
export interface Wanted {
  port: number;
  settings: Record<string, string>;
  database: string;
  password: string;
}

// Start, password, reload, restart, and the look that finds nothing more to do: five, and one for a kill in between.
const mostSteps = 6;
// Milliseconds.
const reloadTimeout = 10_000;
const reloadPause = 20;

/**
 * Brings a server to what is wanted, from whatever state it is in: looks, does one step, looks again. A setting is
 * reloaded; only one that waits for a restart after that, or another port, restarts the server.
 * @param previous the settings to go back to when the server does not take the new ones
 * @throws UserError when it does not; the server then runs as before if `previous` was given
 */
export async function converge(
  cluster: Cluster,
  wanted: Wanted,
  previous?: Pick<Wanted, "port" | "settings">,
): Promise<Live> {
  const isNew = await writeSettings(cluster, wanted);
  try {
    return await takeSteps(cluster, wanted, isNew);
  } catch (error) {
    if (!previous || markOf(previous.port, previous.settings) === markOf(wanted.port, wanted.settings)) throw error;
    throw new UserError("the server does not take the new settings", {
      why: withoutFix(messageOf(error)),
      fix: `Correct them, then run \`up\` again. ${await putBack(cluster, { ...wanted, ...previous })}`,
      cause: error,
    });
  }
}

/**
 * Writes our settings file where it is not there as wanted.
 * @returns whether it was written
 */
export async function writeSettings(
  cluster: Cluster,
  { port, settings }: Pick<Wanted, "port" | "settings">,
): Promise<boolean> {
  const text = renderSettings(port, settings);
  for (const name of await readdir(cluster.data))
    if (name.startsWith(`${settingsFile}.`)) await rm(join(cluster.data, name), { force: true });
  if (await hasSettings(cluster.data, text)) return false;
  await writePrivate(join(cluster.data, settingsFile), text, cluster.user);
  await includeSettings(cluster.data);
  return true;
}

/** Gives the superuser a password; the server does not run afterwards. */
export async function resetPassword(cluster: Cluster, password: string): Promise<void> {
  await stopServer(cluster);
  await clearRemains(cluster.data);
  await setPassword(cluster, password);
}

async function takeSteps(cluster: Cluster, wanted: Wanted, isNew: boolean): Promise<Live> {
  const names = namesSet(wanted.settings);
  // A file that was edited by hand has the mark of the settings that it had.
  let mustReload = isNew;
  for (let step = 0; step < mostSteps; step++) {
    const running = await settledServer(cluster.data);
    if (!running) {
      console.log(`starting PostgreSQL ${cluster.binaries.version} on port ${wanted.port}`);
      await startServer(cluster);
      mustReload = false;
      continue;
    }
    try {
      const live = await asSuperuser(running.port, wanted.password, async (client) => {
        const seen = await lookAt(client, names, wanted.database);
        const isRead = seen.mark === markOf(wanted.port, wanted.settings);
        if (isRead && !mustReload && seen.overridden.length === 0) return seen;
        await reload(client, seen.overridden);
        mustReload = false;
        return lookAt(client, names, wanted.database);
      });
      const reasons = reasonsToRestart(cluster, running, live, wanted);
      if (reasons.length > 0) {
        console.log(`restarting the server: ${reasons.join(", ")}`);
        await stopServer(cluster);
        continue;
      }
      await finish(running, live, wanted);
      return { ...live, hasDatabase: true };
    } catch (error) {
      if (!isWrongPassword(error)) throw error;
      console.log("the server has another password than the stack: setting it again");
      await resetPassword(cluster, wanted.password);
    }
  }
  throw new UserError("the server does not come to rest with its settings", {
    why: "Something else changes them, or stops the server, at the same time.",
    fix: `See ${cluster.log} for who.`,
  });
}

/** @throws UserError when the files hold something that the server would refuse; it is not told to read them then */
async function reload(client: pg.Client, overridden: string[]): Promise<void> {
  const errors = await errorsInFiles(client);
  if (errors.length > 0)
    throw new UserError("the server's configuration files have mistakes", { why: errors.join("\n    ") });
  await resetOverrides(client, overridden);
  console.log("reloading the server's settings");
  const loaded = async () => (await client.query<{ at: string }>("select pg_conf_load_time()::text as at")).rows[0]!.at;
  const before = await loaded();
  await client.query("select pg_reload_conf()");
  for (const started = Date.now(); (await loaded()) === before; await wait(reloadPause))
    if (Date.now() - started > reloadTimeout) throw new UserError("the server does not reload its settings");
}

function reasonsToRestart(cluster: Cluster, running: Running, live: Live, wanted: Wanted): string[] {
  const { version } = cluster.binaries;
  return [
    ...(running.port === wanted.port ? [] : [`port ${running.port} -> ${wanted.port}`]),
    ...(live.version === version ? [] : [`PostgreSQL ${live.version} -> ${version}`]),
    ...(live.pending.length > 0 ? [`only then it takes ${live.pending.join(", ")}`] : []),
    ...(live.mark === markOf(wanted.port, wanted.settings) ? [] : ["it did not read the stack's settings"]),
  ];
}

async function finish(running: Running, live: Live, { password, database, settings }: Wanted): Promise<void> {
  if (live.unknown.length > 0)
    throw new UserError(`PostgreSQL does not know the setting ${live.unknown.join(", ")}`, {
      why: live.unknown.map((name) => `${name} = ${settings[name]}`).join(", "),
      fix: "Correct the name in database:parameters, or remove it.",
    });
  if (!live.hasDatabase) await asSuperuser(running.port, password, (client) => createDatabase(client, database));
}

function isWrongPassword(error: unknown): boolean {
  return error instanceof UserError && (error.cause as { code?: string } | undefined)?.code === "28P01";
}

/** The first sentence of a user error and its reason, to stand as the reason of another. */
function withoutFix(message: string): string {
  return message.replace(/\n {2}fix: [\s\S]*$/, "").replace("\n  why: ", "\n    ");
}

/** @returns a sentence that tells how it went */
async function putBack(cluster: Cluster, previous: Wanted): Promise<string> {
  try {
    await writeSettings(cluster, previous);
    if (await serverStatus(cluster.data)) await stopServer(cluster);
    await startServer(cluster);
    return "Until then the server runs with the settings that it had.";
  } catch (error) {
    return `The settings that it had do not start it either: ${messageOf(error)}`;
  }
}
