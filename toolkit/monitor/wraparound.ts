import { count } from "../terminal.ts";
import { question } from "./question.ts";
import { docs } from "./sources.ts";
import { percent, share } from "./texts.ts";

interface Row {
  object: string;
  kind: "database" | "table";
  transactionAge: number;
  multixactAge: number;
  /** Of the age at which the server stops writing. */
  usedPercent: number;
}

// Ids are compared in a circle of 2^32: half of it is the past.
const limit = 2 ** 31 - 1;
const shownTables = 10;

/** How far the numbers of transactions are used up that vacuum has not freed yet. */
export const wraparound = question<Row, "age" | "criticalAge">({
  name: "wraparound",
  title: "When do transaction ids run out?",
  thresholds: {
    age: {
      value: 500_000_000,
      unit: "transactions",
      why: "Autovacuum freezes at 200 million by default: at 500 million something holds it up, and there is time.",
      source: `${docs}/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND`,
    },
    criticalAge: {
      value: 1_000_000_000,
      unit: "transactions",
      why: "Half of the ids are used, and to freeze a large database takes days.",
      source:
        "https://aws.amazon.com/blogs/database/implement-an-early-warning-system-for-transaction-id-wraparound-in-amazon-rds-for-postgresql/",
    },
  },
  async ask(database, limits) {
    const { rows: databases } = await database.query<Row>(`
      select datname as object, 'database' as kind, age(datfrozenxid) as "transactionAge",
             mxid_age(datminmxid) as "multixactAge", 0 as "usedPercent"
      from pg_database`);
    const tables = (await database.tables())
      .filter(({ kind }) => kind !== "partitioned table")
      .map(({ name, transactionAge, multixactAge }) => ({
        ...{ object: name, kind: "table" as const, transactionAge, multixactAge },
      }))
      .toSorted((one, other) => worst(other) - worst(one))
      .slice(0, shownTables);
    const oldest = tables[0];
    return {
      rows: [...databases, ...tables].map((row) => ({ ...row, usedPercent: share(worst(row), limit) })),
      findings: databases
        .filter((row) => worst(row) >= limits.age)
        .map((row) => ({
          severity: worst(row) >= limits.criticalAge ? ("critical" as const) : ("warning" as const),
          object: row.object,
          what: `The oldest ${row.multixactAge > row.transactionAge ? "multixact" : "transaction"} of the database ${row.object} is ${count(worst(row))} ids old, ${percent(share(worst(row), limit))} of what there are.`,
          why: "When they are used up the server accepts no writes until vacuum has freed some, which takes hours.",
          fix:
            row.object === database.server.database && oldest
              ? `vacuum (freeze) ${oldest.object}; and the next oldest. First end what holds vacuum back: toolkit check transactions replication.`
              : `Connect to ${row.object}, and ask there.`,
          runbook: "wraparound-near" as const,
        })),
    };
  },
});

const worst = (row: { transactionAge: number; multixactAge: number }) => Math.max(row.transactionAge, row.multixactAge);
