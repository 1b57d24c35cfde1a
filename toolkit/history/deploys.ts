import { UserError } from "../errors.ts";
import type { Queryable } from "../queryable.ts";

/** Migrations that were applied or undone at one time. Times in milliseconds since 1970. */
export interface Deploy {
  migrations: string[];
  /** Whether they were undone. */
  undone: boolean;
  startedAt: number;
  finishedAt: number;
}

interface Change {
  migration: string;
  undone: boolean;
  startedAt: number;
  finishedAt: number;
}

// Two runs a few minutes apart leave too little between them to compare.
const together = 10 * 60_000;

/**
 * The times at which the schema was changed, out of the journals of migrations and of steps.
 * @throws UserError when the role may not read them
 */
export async function readDeploys(client: Queryable, since: number): Promise<Deploy[]> {
  try {
    return inGroups(await readChanges(client, since));
  } catch (error) {
    if ((error as { code?: string }).code !== "42501") throw error;
    throw new UserError("the journal of deploys cannot be read", {
      why: (error as Error).message,
      fix: "Grant it: grant usage on schema deploy to …; grant select on deploy.migration, deploy.step to …;",
      cause: error,
    });
  }
}

async function readChanges(client: Queryable, since: number): Promise<Change[]> {
  const { rows } = await client.query<{ migrations: boolean; steps: boolean }>(`
    select to_regclass('deploy.migration') is not null as migrations, to_regclass('deploy.step') is not null as steps`);
  const milliseconds = (column: string) => `extract(epoch from ${column})::float8 * 1000`;
  const times = `${milliseconds("started_at")} as "startedAt", ${milliseconds("finished_at")} as "finishedAt"`;
  const steps = `
    select migration, kind = 'rollback' as undone, ${times} from deploy.step
    where kind in ('statement', 'rollback') and migration is not null and result = 'ok'`;
  // What was applied without steps; those that have both stand in both with the same times.
  const migrations = `select name as migration, false as undone, ${times} from deploy.migration where finished_at is not null`;
  const journals = [...(rows[0]!.steps ? [steps] : []), ...(rows[0]!.migrations ? [migrations] : [])];
  if (journals.length === 0) return [];
  const { rows: changes } = await client.query<Change>(
    `select * from (${journals.join(" union all ")}) changes where "finishedAt" >= $1 order by "startedAt", "finishedAt"`,
    [since],
  );
  return changes;
}

function inGroups(changes: readonly Change[]): Deploy[] {
  const deploys: Deploy[] = [];
  for (const { migration, undone, startedAt, finishedAt } of changes) {
    const last = deploys.at(-1);
    if (last && last.undone === undone && startedAt - last.finishedAt < together) {
      if (!last.migrations.includes(migration)) last.migrations.push(migration);
      last.finishedAt = Math.max(last.finishedAt, finishedAt);
    } else deploys.push({ migrations: [migration], undone, startedAt, finishedAt });
  }
  return deploys;
}
