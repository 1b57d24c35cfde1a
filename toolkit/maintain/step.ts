import type { BackupTarget } from "../backup/target.ts";
import type { Database } from "../monitor/database.ts";
import type { Overrides } from "../monitor/thresholds.ts";
import type { Session } from "./session.ts";

/** What became of a step. skipped: somebody else had the lock, or it cannot be done here. */
export type Result = "planned" | "done" | "skipped" | "yielded" | "out of time" | "interrupted" | "failed";

/** How a step ended, and what there is to say of it. */
export interface Outcome {
  result: Exclude<Result, "planned">;
  note?: string | undefined;
}

/** One thing that needs to be done. */
export interface Step {
  /** The table, index, view or folder that it is about. */
  object: string;
  /** What shows that it needs it, with the figure: a clause. */
  why: string;
  /** The statement, or the command that does the same. */
  does: string;
  /** Bytes that it reads at most; null where nobody can tell. */
  costBytes: number | null;
  run(session: Session): Promise<Outcome>;
}

/** What a task may look at to find out what needs it. */
export interface Look {
  database: Database;
  session: Session;
  limits: Overrides;
  choices: Choices;
}

/** What only the caller can decide. */
export interface Choices {
  backup: BackupTarget;
  /** Age from which prices are packed; nothing is packed where it is left out. */
  packOlderThan?: string | undefined;
  /** How many backups stay, and after how many days they go anyway; none is removed where it is left out. */
  kept?: { count: number; days: number } | undefined;
  /** Where the partitions go whose policy is to archive them; false where no disk of this machine lasts. */
  archive?: string | false | undefined;
}

/** A kind of upkeep. */
export interface Task {
  name: string;
  /** What it is good for. */
  title: string;
  /** What decides that something needs it. */
  decides: string;
  /** What it runs. */
  runs: string;
  /** The strongest lock that it takes, and whom that keeps waiting. */
  lock: string;
  source: string;
  /** What needs it, the neediest first. It only reads. */
  find(look: Look): Promise<Step[]>;
}
