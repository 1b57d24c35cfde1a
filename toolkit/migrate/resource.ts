import type { BackupTarget } from "../backup/target.ts";
import { type Connection, withClient } from "../connection.ts";
import { messageOf } from "../errors.ts";
import type { CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult } from "../provider.ts";
import { containsUnknown } from "../unknown.ts";
import { deploy } from "./deploy.ts";
import { type MigrationFile, readFolder } from "./files.ts";
import { assessForPreview } from "./hazards/preview.ts";
import { makePlan, outOfOrder, type Plan, readSituation, type Situation, statementProblems, upTo } from "./plan.ts";

/** What the program says of its schema. During a preview any part may be unknown. */
export interface Inputs {
  connection: Connection;
  /** Tells one database cluster from another. */
  server: string;
  directory: string;
  lockTimeout: number;
  acceptDrift: string;
  /** The last migration to apply; all of them when it is empty. */
  migrateTo?: string;
  backup: BackupTarget;
  /** Without a backup that succeeds, nothing is migrated. */
  backupBefore: boolean;
  /** How many backups are kept. */
  backupCount: number;
  /** Days that backups are kept. */
  backupRetention: number;
  /** Undo the migrations of an `up` that fails, or whose result is not valid. */
  autoRollback: boolean;
  /** How many times slower than before a critical query may be after a migration. */
  slowdownFactor: number;
  /** Minutes that CREATE INDEX CONCURRENTLY may wait for older transactions. */
  concurrentIndexTimeout: number;
  /** The folder, as "name checksum" in order: what a preview compares. Added by {@link check}. */
  migrations?: string[];
}

export interface Outputs extends Inputs {
  applied: string[];
  head: string | null;
  fingerprint: string;
}

const say = (line: string) => console.log(line);

// A preview must not hang on a server that is away, nor on a lock: seconds are enough to read a catalog.
const reading = {
  applicationName: "postgres-from-code preview",
  connectTimeout: 5_000,
  statementTimeout: 15_000,
};

/** Refuses migrations, or a database, with which `up` could not go on; tells what is pending. */
export async function check(olds: Partial<Inputs>, news: Inputs): Promise<CheckResult<Inputs>> {
  const { files, problems } = await readFolder(news.directory);
  const inputs = { ...news, migrations: files.map(({ name, checksum }) => `${name} ${checksum.slice(0, 12)}`) };
  const { pending, later, reasons, situation } = await compare(olds, news, files);
  if (pending.length > 0) say(`${pending.length} of ${files.length} migrations pending`);
  if (later > 0) say(`${later} more wait, for database:migrateTo is ${news.migrateTo}`);
  // A file that cannot be loaded is not in the list, and what is said of the list would not be true.
  const wrong = problems.length > 0 ? problems : reasons;
  const assessed =
    wrong.length === 0 ? await assessForPreview({ ...news, situation, reading, files, pending }) : undefined;
  for (const line of assessed?.lines ?? pending.map(({ name }) => `pending: ${name}`)) say(line);
  const found = [...wrong, ...(assessed?.blocked.map(({ message }) => message) ?? [])];
  return { inputs, failures: found.map((reason) => ({ property: "directory", reason })) };
}

/** What is pending, and what speaks against it, as far as that can be known now. */
async function compare(
  olds: Partial<Inputs>,
  news: Inputs,
  files: readonly MigrationFile[],
): Promise<{ pending: readonly MigrationFile[]; later: number; reasons: string[]; situation?: Situation }> {
  const seen = containsUnknown(news.connection) ? "unknown" : await look(news, files);
  if (typeof seen === "string") {
    // A server that is only to be started keeps its schema: what the last \`up\` listed is the best that is known.
    const listed = new Set(namesIn(olds.migrations));
    const added = files.filter(({ name }) => !listed.has(name));
    const { pending, problem } = chosen(added, [...listed], news);
    const reasons = [...problem, ...(await statementProblems(files, pending))];
    return { pending, later: added.length - pending.length, reasons };
  }
  const { pending: all, problems } = seen.plan;
  const { pending, problem } = chosen(all, seen.situation.applied, news);
  return {
    pending,
    later: all.length - pending.length,
    situation: seen.situation,
    reasons: [...problems, ...problem, ...outOfOrder(files, all), ...(await statementProblems(files, pending))],
  };
}

/** The pending migrations that are to be applied now, or what is wrong with the choice. */
function chosen(
  pending: readonly MigrationFile[],
  applied: readonly string[],
  { migrateTo }: Inputs,
): { pending: readonly MigrationFile[]; problem: string[] } {
  try {
    return { pending: upTo(pending, applied, migrateTo), problem: [] };
  } catch (error) {
    return { pending, problem: [`database:migrateTo: ${messageOf(error)}`] };
  }
}

/** Whether `up` has something to do. The database decides; where it cannot be asked, what was said of it before. */
export async function diff(_id: string, olds: Outputs, news: Inputs): Promise<DiffResult> {
  const moved = olds.server !== news.server || olds.directory !== news.directory;
  if (moved || !sameList(olds.migrations, news.migrations)) return { changes: true };
  const wanted = (names: readonly string[]) => (news.migrateTo ? names.indexOf(news.migrateTo) + 1 : names.length);
  const listed = namesIn(news.migrations);
  if (containsUnknown(news.connection)) return { changes: olds.applied.length < wanted(listed) };
  if (!samePlace(olds.connection, news.connection)) return { changes: true };
  const { files } = await readFolder(news.directory);
  const seen = await look(news, files);
  if (seen === "unreachable") return { changes: olds.applied.length < wanted(listed) };
  const { plan, situation } = seen;
  const recorded = { applied: olds.applied, head: olds.head, fingerprint: olds.fingerprint };
  const same = JSON.stringify(recorded) === JSON.stringify(outcome(situation));
  const { pending } = chosen(plan.pending, situation.applied, news);
  return { changes: pending.length > 0 || plan.accepted !== undefined || !same };
}

export async function create(inputs: Inputs): Promise<CreateResult<Outputs>> {
  return { id: "schema", outs: await bringToHead(inputs) };
}

export async function update(_id: string, _olds: Outputs, news: Inputs): Promise<UpdateResult<Outputs>> {
  return { outs: await bringToHead(news) };
}

/** What the database really has; what was said of it before where it cannot be asked. */
export async function read(id: string, props: Outputs): Promise<ReadResult<Outputs>> {
  const { files } = await readFolder(props.directory);
  const seen = await look(props, files);
  return { id, props: seen === "unreachable" ? props : { ...props, ...outcome(seen.situation) } };
}

/** Leaves the schema and its data: they go with their server, or stay on one that is not ours. */
export async function delete_(_id: string, _props: Outputs): Promise<void> {}

async function bringToHead(inputs: Inputs): Promise<Outputs> {
  const { applied, head, fingerprint } = await deploy(inputs.connection, {
    directory: inputs.directory,
    lockTimeout: inputs.lockTimeout,
    acceptDrift: inputs.acceptDrift,
    to: inputs.migrateTo,
    backup: inputs.backup,
    backupBefore: inputs.backupBefore,
    backupCount: inputs.backupCount,
    backupRetention: inputs.backupRetention,
    autoRollback: inputs.autoRollback,
    slowdownFactor: inputs.slowdownFactor,
    concurrentIndexTimeout: inputs.concurrentIndexTimeout,
    say,
  });
  return { ...inputs, applied, head, fingerprint };
}

/** Reads the database and compares; one line when that is not possible, for a preview goes on without it. */
async function look(
  { connection, directory, acceptDrift }: Inputs,
  files: readonly MigrationFile[],
): Promise<{ plan: Plan; situation: Situation } | "unreachable"> {
  try {
    return await withClient(connection, reading, async (client) => {
      await client.query("set default_transaction_read_only to on");
      const situation = await readSituation(client);
      return { situation, plan: makePlan(directory, files, situation, acceptDrift) };
    });
  } catch (error) {
    const [reason] = messageOf(error).split("\n");
    say(`going on without a look into the database: ${reason}`);
    return "unreachable";
  }
}

function outcome({ applied, fingerprint }: Situation): Pick<Outputs, "applied" | "head" | "fingerprint"> {
  return { applied, head: applied.at(-1) ?? null, fingerprint };
}

/** The names of a list of "name checksum". */
function namesIn(migrations: readonly string[] = []): string[] {
  return migrations.map((entry) => entry.split(" ")[0]!);
}

function sameList(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Another password is the same place: nothing of the schema hangs on it. */
function samePlace(one: Connection, other: Connection): boolean {
  return (["host", "port", "database", "user"] as const).every((part) => one[part] === other[part]);
}
