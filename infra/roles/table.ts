import type { Config } from "../config.ts";

/** The roles, as the configuration calls them. */
export type RoleName = "owner" | "migrator" | "application" | "readOnly" | "monitor";

/** What a role may take of the server. Times in milliseconds; 0 stands for no limit. */
export interface Limits {
  connectionLimit: number;
  statementTimeout: number;
  lockTimeout: number;
  idleInTransactionSessionTimeout: number;
}

/** The form of `roleLimits` in the configuration. */
export type RoleLimits = { [name in RoleName]?: Partial<Limits> };

export interface DatabaseRole {
  name: RoleName;
  /** What follows the prefix in its name on the server. */
  suffix: string;
  /** A role that nobody logs in as has no password and no limits. */
  login: boolean;
  /** Roles of PostgreSQL's own (`pg_…`), or of this table, whose privileges it has. */
  memberships: (RoleName | `pg_${string}`)[];
  /** The role that it becomes at login: what it makes belongs to that one. */
  actsAs?: RoleName;
  database: ("CONNECT" | "CREATE" | "TEMPORARY")[];
  /** On the schema `public`. */
  schema: ("USAGE" | "CREATE")[];
  /** On the owner's tables, views and materialized views in `public`, those that are there and those to come. */
  tables: ("SELECT" | "INSERT" | "UPDATE" | "DELETE")[];
  /** The same on sequences. */
  sequences: ("USAGE" | "SELECT")[];
  limits: Limits;
  why: string;
  source: string;
}

const docs = "https://www.postgresql.org/docs/current";
const none: Limits = { connectionLimit: -1, statementTimeout: 0, lockTimeout: 0, idleInTransactionSessionTimeout: 0 };
const [second, minute] = [1000, 60_000];

/**
 * The one table of roles. Whoever may do nothing by this table may do nothing: none is a superuser, makes roles or
 * databases, replicates, or is granted a table of another schema.
 */
// biome-ignore format: one role, one block; the table reads better than the formatter's version
export const databaseRoles: DatabaseRole[] = [
  { name: "owner", suffix: "owner", login: false, memberships: ["pg_read_all_stats"],
    database: ["CREATE", "TEMPORARY"], schema: ["USAGE", "CREATE"], tables: [], sequences: [], limits: none,
    why: "owns what migrations make, so that who runs them can change; it sees the transactions of others, for the checks before migrations ask for the oldest",
    source: `${docs}/ddl-priv.html` },
  { name: "migrator", suffix: "migrator", login: true, memberships: ["owner"], actsAs: "owner",
    database: ["CONNECT"], schema: [], tables: [], sequences: [],
    limits: { ...none, connectionLimit: 20, lockTimeout: 5 * second, idleInTransactionSessionTimeout: 10 * minute },
    why: "changes the schema and loads data, as the owner; a migration may take long, but not keep others waiting for a lock",
    source: `${docs}/sql-set-role.html` },
  { name: "application", suffix: "application", login: true, memberships: [],
    database: ["CONNECT", "TEMPORARY"], schema: ["USAGE"],
    tables: ["SELECT", "INSERT", "UPDATE", "DELETE"], sequences: ["USAGE"],
    limits: { connectionLimit: 50, statementTimeout: 30 * second, lockTimeout: 5 * second, idleInTransactionSessionTimeout: minute },
    why: "reads and writes rows; nobody waits half a minute for a page, and an idle transaction holds back vacuum",
    source: `${docs}/runtime-config-client.html#GUC-STATEMENT-TIMEOUT` },
  { name: "readOnly", suffix: "read_only", login: true, memberships: [],
    database: ["CONNECT"], schema: ["USAGE"], tables: ["SELECT"], sequences: ["SELECT"],
    limits: { connectionLimit: 20, statementTimeout: 5 * minute, lockTimeout: 5 * second, idleInTransactionSessionTimeout: minute },
    why: "reports and analysts read, for minutes where they must, and without temporary tables that fill the disk",
    source: `${docs}/sql-alterdefaultprivileges.html` },
  { name: "monitor", suffix: "monitor", login: true, memberships: ["pg_monitor"],
    database: ["CONNECT"], schema: ["USAGE"], tables: [], sequences: [],
    limits: { connectionLimit: 5, statementTimeout: 10 * second, lockTimeout: second, idleInTransactionSessionTimeout: 10 * second },
    why: "sees everybody's sessions and statements, and no row; what watches must not be a load itself",
    source: `${docs}/predefined-roles.html` },
];

/** Everybody, as the pseudo-role `public`: may connect where pg_hba.conf lets them, and use what is granted to them. */
export const everybody = { database: ["CONNECT"], schema: ["USAGE"] };

/** The roles with their limits, those of the configuration first. */
export function rolesWith(limits: RoleLimits): DatabaseRole[] {
  return databaseRoles.map((role) => ({ ...role, limits: { ...role.limits, ...limits[role.name] } }));
}

/** The longest prefix with which the longest name fits into PostgreSQL's 63 bytes (NAMEDATALEN). */
export const longestPrefix = 63 - 1 - Math.max(...databaseRoles.map(({ suffix }) => suffix.length));

/** The name of a role on the server; one of PostgreSQL's own keeps its name. */
export function roleNameOn(prefix: string, name: RoleName | `pg_${string}`): string {
  const role = databaseRoles.find((candidate) => candidate.name === name);
  return role ? `${prefix}_${role.suffix}` : name;
}

/** Whether the configuration asks for the roles: by itself on RDS, on an adopted server only where it is told to. */
export const wantsRoles = ({ roles, server }: Pick<Config, "roles" | "server">): boolean =>
  roles === "managed" || (roles === "auto" && server === "rds");
