import type { Connection } from "../connection.ts";
import { messageOf } from "../errors.ts";
import { type Applied, apply, applyAll, refuseProblems } from "./apply.ts";
import { type BackupOptions, backUp } from "./deployBackup.ts";
import { goBack } from "./deployRollback.ts";
import { ConnectionLost } from "./failure.ts";
import type { MigrationFile } from "./files.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { upTo } from "./plan.ts";
import { type PreflightOptions, preflight } from "./preflight.ts";
import { renderFor } from "./run.ts";
import { type MigrationOptions, namesOf, type Session, withMigrationSession } from "./session.ts";
import {
  closeInterruptedSteps,
  ensureSteps,
  finishRun,
  interruptedRun,
  keepBackup,
  keepBaseline,
  type RunRecord,
  recordStep,
  startRun,
} from "./steps.ts";
import { nothingBefore, rememberResult, takeBaseline, type ValidationOptions, validate } from "./validate.ts";

/** How to bring a database to the head of its migrations, safely. */
export interface DeployOptions extends MigrationOptions, BackupOptions {
  /** The last migration to apply; all of them when left out or empty. */
  to?: string;
  /** Without a backup that succeeds, nothing is migrated. */
  backupBefore: boolean;
  /** Undo the migrations of a run that fails, or whose result is not valid. */
  autoRollback: boolean;
  /** How many times slower than before a critical query may be. */
  slowdownFactor: number;
  /** How to look before, and after. */
  preflight?: PreflightOptions;
  validation?: ValidationOptions;
}

/**
 * Looks whether now is a time, makes a backup, applies what is pending, looks whether the result is valid, and where
 * something fails goes back to where it began; all under one lock, with a record of each step. With nothing pending it
 * does nothing of this. A run that was killed is not undone: the next one goes on with it, as one run.
 * @throws UserError when nothing was touched, when all was undone, or with the way back where it cannot be
 */
export function deploy(connection: Connection, options: DeployOptions): Promise<Applied> {
  return withMigrationSession(connection, options, async (whole) => {
    const { client, situation } = whole;
    const plan = { ...whole.plan, pending: upTo(whole.plan.pending, situation.applied, options.to) };
    const session = { ...whole, plan };
    const interrupted = await interruptedRun(client, situation.applied);
    if (plan.pending.length === 0 && !interrupted) return outcome(situation.applied, situation.lines, []);
    await refuseProblems(whole, plan.pending);
    const record = interrupted ?? (await beginRun(session));
    if (interrupted) {
      session.say("going on with the run that was interrupted");
      await closeInterruptedSteps(client);
    }
    const statements = await statementsOf(session, plan.pending);
    await prepare(session, record, statements, options).catch(async (error) => {
      // One that goes on with an interrupted run leaves it open: it is to be gone on with still.
      if (!interrupted) await finishRun(client, record, "failed", firstLine(error)).catch(() => {});
      throw error;
    });
    return carryOut(session, record, options);
  });
}

/** What must be so before anything is changed: the time is right, there is a way back, and it is known what was. */
async function prepare(
  session: Session,
  record: RunRecord,
  statements: readonly string[],
  options: DeployOptions,
): Promise<void> {
  const { client, connection, plan, say } = session;
  if (plan.pending.length === 0) return;
  if (await isEmpty(session)) {
    say("the database is new: there is nothing to back up or to lose");
    record.baseline = nothingBefore;
    await keepBaseline(client, record, record.baseline);
    return;
  }
  await recordStep(client, record, { kind: "preflight" }, async (measured) => {
    const warnings = await preflight(client, connection, statements, say, options.preflight);
    if (warnings > 0) measured.message = `${warnings} warnings`;
  });
  if (options.backupBefore)
    record.backup = await recordStep(client, record, { kind: "backup" }, async (measured) => {
      const id = await backUp(connection, `before ${plan.pending[0]!.name}`, options, say);
      await keepBackup(client, record, id);
      measured.message = id;
      return id;
    });
  else say("without a backup, for database:backupBefore is false");
  if (record.baseline) return;
  record.baseline = await takeBaseline(client, looking(options));
  await keepBaseline(client, record, record.baseline);
}

/** Applies, validates, and goes back where one of the two fails. */
async function carryOut(session: Session, record: RunRecord, options: DeployOptions): Promise<Applied> {
  const { client, situation, plan } = session;
  session.goesBack = options.autoRollback;
  session.records = record;
  let attempted: MigrationFile | undefined;
  const ran: MigrationFile[] = [];
  try {
    const { lines } = await applyAll(session, plan.pending, async (migration, rendered) => {
      attempted = migration;
      const step = { kind: "statement", migration: migration.name, along: rendered.transactional } as const;
      await recordStep(client, record, step, (measured) => apply(session, migration, rendered, measured));
      ran.push(migration);
    });
    attempted = undefined;
    const applied = [...situation.applied, ...namesOf(ran)];
    const migrations = filesOf(session, applied.slice(record.appliedBefore.length));
    await recordStep(client, record, { kind: "validate" }, async () => {
      const sql = (await statementsOf(session, migrations)).join(";\n");
      await validate(session, record, { migrations, sql, lines }, looking(options));
      await rememberResult(session, record, migrations, lines);
    });
    await finishRun(client, record, "ok");
    return outcome(applied, lines, namesOf(ran));
  } catch (error) {
    // What became of the last statement is not known: the next run finds out, and goes on.
    if (error instanceof ConnectionLost) throw error;
    if (options.autoRollback) throw await goBack(session, record, error, attempted);
    await finishRun(client, record, "failed", firstLine(error)).catch(() => {});
    throw error;
  }
}

async function beginRun({ client, situation }: Session): Promise<RunRecord> {
  await ensureSteps(client);
  return startRun(client, {
    kind: "up",
    appliedBefore: situation.applied,
    fingerprintBefore: situation.fingerprint,
  });
}

/** Whether nothing was ever applied, and nobody has a table of their own there. */
async function isEmpty({ client, situation }: Session): Promise<boolean> {
  if (situation.applied.length > 0) return false;
  const { rows } = await client.query(
    `select not exists (
       select from pg_class c join pg_namespace n on n.oid = relnamespace
       where relkind in ('r', 'p', 'm', 'f') and nspname !~ '^pg_' and nspname not in ('information_schema', 'deploy', 'monitoring')
         and (nspname, relname) <> ('public', 'pgmigrations')
         and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')
     ) as empty`,
  );
  return rows[0].empty;
}

const looking = ({ validation, slowdownFactor }: DeployOptions): ValidationOptions => ({
  ...validation,
  limits: { slowdownFactor, ...validation?.limits },
});

async function statementsOf(session: Session, migrations: readonly MigrationFile[]): Promise<string[]> {
  const rendered = await Promise.all(migrations.map((migration) => renderFor(session, migration, "up")));
  return rendered.flatMap(({ statements }) => statements.map(({ text }) => text));
}

function filesOf({ files }: Session, names: readonly string[]): MigrationFile[] {
  return names.map((name) => files.find((file) => file.name === name)!);
}

function outcome(applied: string[], lines: readonly string[], ran: string[]): Applied {
  return { applied, head: applied.at(-1) ?? null, fingerprint: fingerprintOf(lines), ran };
}

/** The first line of an error, for the journal. */
export function firstLine(error: unknown): string {
  return messageOf(error).split("\n")[0]!;
}
