import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { type MigrationFile, readMigrations } from "./files.ts";
import { acceptPresent, ensureJournal } from "./journal.ts";
import { defaultPatience, withLock } from "./lock.ts";
import { abbreviated, makePlan, type Plan, readSituation, type Situation } from "./plan.ts";
import { reconcile } from "./reconcile.ts";
import type { Run } from "./run.ts";

/** How to run migrations. */
export interface MigrationOptions {
  /** The folder of migrations, relative to the project's root, which is the current folder. */
  directory: string;
  /** Milliseconds that a statement may wait for a lock before it tries again; 5000 when left out. */
  lockTimeout?: number;
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
  const files = await readMigrations(directory);
  return withClient(connection, { applicationName: "postgres-from-code migrations" }, (client) =>
    withLock(client, patience, say, async () => {
      const run: Run = { client, connection, directory, files, lockTimeout, patience, say };
      await checkedPlan(run, acceptDrift);
      await ensureJournal(client);
      await reconcile(run, await readSituation(client));
      // Once more: what an interrupted run accounted for is settled, and any other difference shows.
      const session = { ...run, ...(await checkedPlan(run, acceptDrift)) };
      await accept(session);
      return work(session);
    }),
  );
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
