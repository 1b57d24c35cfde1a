import pg from "pg";
import { UserError } from "../errors.ts";
import type { Shape } from "./shape.ts";

/** What a conversion makes beside the table, in the schema deploy, as SQL writes it. */
export interface Names {
  /** The table as the application knows it. */
  live: string;
  /** The partitioned table before it takes the plain one's place. */
  shadow: string;
  /** The plain table afterwards: its bare name, and with its schema. */
  keptName: string;
  kept: string;
  /** Keys of rows that have changed and are not brought over yet. */
  changes: string;
  /** The trigger function that writes them, and later the changes themselves. */
  onChange: string;
  /** The function that brings them over. */
  drain: string;
}

// PostgreSQL cuts names after 63 bytes; the longest suffix below takes 20.
const longestName = 43;

/** The names for a table. @throws UserError when its name leaves no room for a suffix */
export function namesFor(shape: Pick<Shape, "schema" | "baseName">): Names {
  const { schema, baseName } = shape;
  if (Buffer.byteLength(baseName) > longestName)
    throw new UserError(`the name ${baseName} is too long to add to it`, {
      why: `The partitions and the old table are named after it; PostgreSQL cuts names after 63 bytes.`,
      fix: `Rename it to at most ${longestName} bytes.`,
    });
  const inDeploy = (suffix: string) => `deploy.${pg.escapeIdentifier(`${baseName}${suffix}`)}`;
  return {
    live: `${schema}.${pg.escapeIdentifier(baseName)}`,
    shadow: inDeploy(""),
    keptName: pg.escapeIdentifier(`${baseName}_before_partitioning`),
    kept: inDeploy("_before_partitioning"),
    changes: inDeploy("_changes"),
    onChange: inDeploy("_on_change"),
    drain: inDeploy("_drain"),
  };
}
