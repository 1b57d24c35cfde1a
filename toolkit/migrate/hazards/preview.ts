import type pg from "pg";
import { type Connection, type SessionOptions, withClient } from "../../connection.ts";
import { messageOf } from "../../errors.ts";
import { type Assessment, type AssessOptions, assess } from "../assess.ts";
import type { MigrationFile } from "../files.ts";
import type { Situation } from "../plan.ts";
import { isBlocking } from "./assessment.ts";
import { previewLines } from "./describe.ts";

/** What a preview knows when it looks at hazards. */
export interface Preview {
  connection: Connection;
  /** What the database says; undefined where it cannot be asked now. */
  situation?: Situation | undefined;
  /** How the preview's sessions behave. */
  reading: SessionOptions;
  /** The whole folder. */
  files: readonly MigrationFile[];
  pending: readonly MigrationFile[];
}

/** What must stop `up`. */
export interface Blocked {
  migration: string;
  /** The danger, the reason, and the safe code to paste. */
  message: string;
}

/**
 * Looks at what is pending as a preview does.
 * @returns the lines to print, and what must stop `up`; undefined where there is nobody to disturb: a new database, or
 *   nothing pending
 */
export async function assessForPreview(preview: Preview): Promise<{ lines: string[]; blocked: Blocked[] } | undefined> {
  const { situation, pending, files } = preview;
  if (pending.length === 0 || (pending.length === files.length && isNew(situation))) return undefined;
  const assessment = await assessNow(preview);
  const blocked = assessment.migrations.flatMap(({ name, hazards }) =>
    hazards.filter(isBlocking).map(({ message }) => ({ migration: name, message })),
  );
  return { lines: previewLines(assessment), blocked };
}

/** Without a database, all of a folder pending means that there never was one. */
function isNew(situation: Situation | undefined): boolean {
  return !situation?.lines.some((line) => /^(table|materialized view) /.test(line));
}

async function assessNow({ connection, situation, reading, files, pending }: Preview): Promise<Assessment> {
  const waiting = new Set(pending.map(({ name }) => name));
  const applied = files.map(({ name }) => name).filter((name) => !waiting.has(name));
  // The sizes are not known: `up` checks once more, when they are.
  const unseen: AssessOptions = { applied, unknownSize: "note" };
  if (!situation) return assess({}, files, pending, unseen);
  try {
    return await withClient(connection, reading, async (client: pg.Client) => {
      await client.query("set default_transaction_read_only to on");
      return assess({ client, situation }, files, pending);
    });
  } catch (error) {
    const { remarks, ...assessment } = await assess({ situation }, files, pending, unseen);
    return {
      ...assessment,
      remarks: [...remarks, `The sizes of tables are not known: ${messageOf(error).split("\n")[0]}`],
    };
  }
}
