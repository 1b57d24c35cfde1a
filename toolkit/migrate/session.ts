import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { type MigrationFile, readMigrations } from "./files.ts";
import { acceptPresent, ensureJournal } from "./journal.ts";
import { defaultPatience, withLock } from "./lock.ts";
import { resetSession } from "./pgMigrate.ts";
import { abbreviated, makePlan, type Plan, readSituation, type Situation } from "./plan.ts";
import { reconcile } from "./reconcile.ts";
import type { Run } from "./run.ts";

/** How to run migrations. */
export interface MigrationOptions {
  /** The folder of migrations, relative to the project's root, which is the current folder. */
  directory: string;
  /** Milliseconds that a statement may wait for a lock before it tries again; 5000 when left out. */
  lockTimeout?: number;
  /** Minutes that a statement without a transaction may wait for older transactions; 60 when left out. */
  concurrentIndexTimeout?: number;
  /** Names the one drift that is accepted, as its report does. */
  acceptDrift?: string;
  /** Milliseconds to wait for another run on the same database; ten minutes when left out. */
  patience?: number;
  /** Gets a line for people about each thing that happens; nobody does when left out. */
  say?: (line: string) => void;
}

/** What a run works with: its plan is made under the lock, and nothing speaks against it. */
export interface Session extends Run {
  plan: Plan;
  situation: Situation;
}

/**
 * Opens a session, takes the lock, brings journal and database together, and runs `work`.
 * @throws UserError that lists everything that speaks against it, before anything is touched
 */
export async function withMigrationSession<T>(
  connection: Connection,
  options: MigrationOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { directory, acceptDrift, lockTimeout = 5_000, patience = defaultPatience, say = () => {} } = options;
  const waitLimit = (options.concurrentIndexTimeout ?? 60) * 60_000;
  const files = await readMigrations(directory);
  return withClient(connection, { applicationName: "postgres-from-code migrations" }, (client) =>
    withLock(client, patience, say, async () => {
      const run: Run = { client, connection, directory, files, lockTimeout, patience, waitLimit, say };
      await resetSession(client, 0);
      let found = await checkedPlan(run, acceptDrift);
      if (found.plan.pending.length > 0) await refuseReadOnly(client);
      await ensureJournal(client);
      // Once more: what an interrupted run accounted for is settled, and any other difference shows.
      if (await reconcile(run, found.situation)) found = await checkedPlan(run, acceptDrift);
      const session = { ...run, ...found };
      await accept(session);
      return work(session);
    }),
  );
}

/** @throws UserError when nothing can be written there, before it is tried */
async function refuseReadOnly(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query(
    "select pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as read_only",
  );
  if (rows[0].standby)
    throw new UserError("this server is a standby: it cannot be migrated", {
      why: "It repeats what its primary does, and takes no writes (pg_is_in_recovery).",
      fix: "Point the stack at the primary; what is migrated there comes here by itself.",
    });
  if (rows[0].read_only)
    throw new UserError("this database is read-only: it cannot be migrated", {
      why: "default_transaction_read_only is on, for this role, this database or the whole server.",
      fix: "Find where it was set (\\drds in psql) and why, then: alter database … reset default_transaction_read_only;",
    });
}

async function checkedPlan(run: Run, acceptDrift: string | undefined): Promise<{ plan: Plan; situation: Situation }> {
  const situation = await readSituation(run.client);
  const plan = makePlan(run.directory, run.files, situation, acceptDrift);
  if (plan.problems.length > 0) throw new UserError(plan.problems.join("\n"));
  return { plan, situation };
}

async function accept({ client, plan: { accepted }, situation, say }: Session): Promise<void> {
  if (!accepted) return;
  await acceptPresent(client, accepted.edited, situation.lines);
  const edited = accepted.edited.map(({ name }) => name);
  if (edited.length > 0) say(`accepted as edited: ${abbreviated(edited)}`);
  if (accepted.lines) say("accepted: the schema as it was changed by hand");
}

/** The names of some migrations. */
export function namesOf(files: readonly MigrationFile[]): string[] {
  return files.map(({ name }) => name);
}
