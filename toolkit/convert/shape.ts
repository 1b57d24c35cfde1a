import type pg from "pg";
import { UserError } from "../errors.ts";

/** A column of the table to be converted. Names and types are as SQL writes them. */
export interface Column {
  name: string;
  type: string;
  collation: string | null;
  notNull: boolean;
  default: string | null;
  hashable: boolean;
}

/** A key, other index or constraint, by its name as SQL writes it and its definition. */
export interface Part {
  name: string;
  definition: string;
}

/** What the partitioned table is made from. */
export interface Shape {
  oid: string;
  /** Schema and name, quoted where needed. */
  schema: string;
  name: string;
  /** The bare name, from which those of partitions are made. */
  baseName: string;
  /** The columns that the new table gets, in their order. */
  columns: Column[];
  /** The column by whose months the table is divided. */
  date: string;
  /** The columns of the unique key that becomes the primary key. */
  key: string[];
  primaryKeyName: string;
  /** The surrogate key that the new table does without. */
  leftOut: string | undefined;
  indexes: Part[];
  checks: Part[];
  /** Sequences that belong to a column, and go on belonging to it. */
  sequences: { name: string; column: string }[];
  foreignKeys: (Part & { references: string })[];
}

/** Finds a plain table. @throws UserError when there is none of this name */
export async function findTable(client: pg.ClientBase, table: string): Promise<string> {
  const { rows } = await client
    .query("select c.oid::text, relkind from pg_class c where oid = to_regclass($1)", [table])
    .catch(() => ({ rows: [] }));
  if (!rows[0])
    throw new UserError(`there is no table ${table}`, {
      fix: "Correct its name; add its schema where that is not on the search path.",
      exitCode: 2,
    });
  if (rows[0].relkind === "p")
    throw new UserError(`${table} is partitioned already`, { fix: "There is nothing to do.", exitCode: 2 });
  if (rows[0].relkind !== "r") throw new UserError(`${table} is not a table`, { exitCode: 2 });
  return rows[0].oid;
}

/**
 * Reads the shape of a table and decides what the partitioned one is like. The primary key of a partitioned table must
 * hold the column that divides it, so that a unique key with that column takes its place.
 * @param keepId whether a surrogate key stays as a plain column
 * @throws UserError where no unique key holds the column, or another one could not be kept
 * @see https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-LIMITATIONS
 */
export async function readShape(client: pg.ClientBase, oid: string, column: string, keepId: boolean): Promise<Shape> {
  const names = await client.query(
    `select quote_ident(nspname) as schema, quote_ident(relname) as name, relname as "baseName"
     from pg_class c join pg_namespace n on n.oid = relnamespace where c.oid = $1`,
    [oid],
  );
  const table = names.rows[0];
  const columns = await readColumns(client, oid);
  const divides = columns.find(({ bare }) => bare === column);
  if (!divides)
    throw new UserError(`${table.name} has no column ${column}`, { fix: "Name it with --column.", exitCode: 2 });
  if (!["date", "timestamp without time zone"].includes(divides.type))
    throw new UserError(`the column ${column} of ${table.name} is of type ${divides.type}`, {
      why: "Months begin at another moment in each time zone; only date and timestamp say which month a row is of.",
      fix: "Name a column of the type date or timestamp.",
      exitCode: 2,
    });

  const keys = await readKeys(client, oid);
  const usable = keys.filter((key) => key.plain && key.columns.includes(divides.name) && key.notNull);
  const key = usable.find(({ primary }) => primary) ?? usable[0];
  if (!key)
    throw new UserError(`${table.name} has no unique key with the column ${column}`, {
      why: "Every unique key of a partitioned table holds the column that divides it; and without one, rows cannot be told apart.",
      fix: `Make one first, on columns that are not null: create unique index concurrently on ${table.name} (…, ${divides.name}).`,
    });
  const surrogate = keys.find((other) => other !== key && other.primary && other.plain && isSurrogate(other, columns));
  const lost = keys.filter((other) => other !== key && other !== surrogate && !other.columns.includes(divides.name));
  if (lost.length > 0)
    throw new UserError(`${table.name} has a unique key without the column ${column}: ${lost[0]!.name}`, {
      why: "PostgreSQL cannot enforce it over partitions: it would be lost.",
      fix: `Drop it, or add the column ${column} to it.`,
    });
  const leftOut = surrogate && !keepId ? surrogate.columns[0] : undefined;
  return {
    ...{
      oid,
      ...table,
      date: divides.name,
      key: key.columns,
      leftOut,
      primaryKeyName: await primaryKeyName(client, keys, table.baseName),
    },
    columns: columns.filter(({ name }) => name !== leftOut).map(({ bare, ...column }) => column),
    indexes: (await readIndexes(client, oid)).filter(({ name }) => name !== key.name && name !== surrogate?.name),
    sequences: (await readSequences(client, oid)).filter(({ column }) => column !== leftOut),
    checks: await readConstraints(client, oid, "c"),
    foreignKeys: await readConstraints(client, oid, "f"),
  };
}

async function readColumns(client: pg.ClientBase, oid: string): Promise<(Column & { bare: string })[]> {
  const { rows } = await client.query(
    `select attname as bare, quote_ident(attname) as name, format_type(atttypid, atttypmod) as type,
            attnotnull as "notNull", pg_get_expr(adbin, adrelid) as default,
            case when attcollation <> typcollation then attcollation::regcollation::text end as collation,
            exists (select from pg_opclass o join pg_am m on m.oid = opcmethod
                    where amname = 'hash' and opcdefault and opcintype = atttypid) as hashable
     from pg_attribute a
     join pg_type t on t.oid = atttypid
     left join pg_attrdef d on adrelid = attrelid and adnum = attnum
     where attrelid = $1 and attnum > 0 and not attisdropped order by attnum`,
    [oid],
  );
  return rows;
}

interface Key {
  name: string;
  primary: boolean;
  /** Whether it is a key of whole columns, of all rows, checked at once. */
  plain: boolean;
  notNull: boolean;
  columns: string[];
}

async function readKeys(client: pg.ClientBase, oid: string): Promise<Key[]> {
  const { rows } = await client.query(
    `select quote_ident(c.relname) as name, indisprimary as primary,
            indisvalid and indimmediate and indpred is null and indexprs is null as plain,
            bool_and(attnotnull) as "notNull", array_agg(quote_ident(attname) order by place) as columns
     from pg_index x
     join pg_class c on c.oid = indexrelid
     cross join lateral unnest(indkey) with ordinality k(number, place)
     join pg_attribute a on attrelid = indrelid and attnum = number
     where indrelid = $1 and indisunique and place <= indnkeyatts
     group by indexrelid, c.relname, indisprimary, 3 order by indexrelid`,
    [oid],
  );
  return rows;
}

/** A single number out of a sequence. */
function isSurrogate(key: Key, columns: Column[]): boolean {
  const column = columns.find(({ name }) => name === key.columns[0]);
  return key.columns.length === 1 && /^nextval\(/.test(column?.default ?? "");
}

async function primaryKeyName(client: pg.ClientBase, keys: Key[], table: string): Promise<string> {
  const present = keys.find(({ primary }) => primary);
  if (present) return present.name;
  const { rows } = await client.query("select quote_ident(left($1, 58) || '_pkey') as name", [table]);
  return rows[0].name;
}

async function readIndexes(client: pg.ClientBase, oid: string): Promise<Part[]> {
  const { rows } = await client.query(
    `select quote_ident(relname) as name, coalesce(pg_get_constraintdef(o.oid), pg_get_indexdef(indexrelid)) as definition
     from pg_index
     join pg_class c on c.oid = indexrelid
     left join pg_constraint o on conindid = indexrelid and contype = 'u'
     where indrelid = $1 and indisvalid order by indexrelid`,
    [oid],
  );
  return rows;
}

async function readConstraints(client: pg.ClientBase, oid: string, type: "c" | "f") {
  const { rows } = await client.query<Part & { references: string }>(
    `select quote_ident(conname) as name, pg_get_constraintdef(oid) as definition, confrelid::regclass::text as references
     from pg_constraint where conrelid = $1 and contype = $2 order by conname`,
    [oid, type],
  );
  return rows;
}

async function readSequences(client: pg.ClientBase, oid: string): Promise<{ name: string; column: string }[]> {
  const { rows } = await client.query(
    `select format('%I.%I', nspname, relname) as name, quote_ident(attname) as column
     from pg_depend
     join pg_class s on s.oid = objid and relkind = 'S'
     join pg_namespace n on n.oid = relnamespace
     join pg_attribute on attrelid = refobjid and attnum = refobjsubid
     where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and refobjid = $1 and deptype = 'a'
     order by name`,
    [oid],
  );
  return rows;
}
