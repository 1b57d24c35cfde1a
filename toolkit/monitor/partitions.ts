import { count } from "../terminal.ts";
import { type Finding, question } from "./question.ts";
import { docs } from "./sources.ts";
import { things } from "./texts.ts";

interface Row {
  object: string;
  partitions: number;
  /** The day from which there is no partition; null where it is not partitioned by time, or has no end. */
  coveredUntil: string | null;
  /** How far that is from now; negative when it is past. */
  aheadDays: number | null;
  /** The default partition; null when there is none. */
  defaultPartition: string | null;
  defaultRows: number;
}

interface Found extends Row {
  /** Whether the project's function that makes partitions is here, and its schema. */
  maker: string | null;
}

/** Partitions of time: whether there are some for the time to come, and what fell beside them. */
export const partitions = question<Row, "aheadDays" | "criticalDays" | "defaultRows">({
  name: "partitions",
  title: "Are there partitions for the time to come?",
  thresholds: {
    aheadDays: {
      value: 45,
      unit: "days",
      why: "The month to come and a half: upkeep that ran last month has left more.",
      source: `${docs}/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE`,
    },
    criticalDays: {
      value: 3,
      unit: "days",
      why: "A weekend later inserts fail, or fill the default partition.",
      source: `${docs}/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE`,
    },
    defaultRows: {
      value: 1,
      unit: "rows",
      why: "Each row in a default partition is one that no partition was made for.",
      source: `${docs}/sql-createtable.html#SQL-CREATETABLE-PARTITION`,
    },
  },
  async ask(database, limits) {
    // A bound is a text to SQL; pg_get_expr opens the table, and would wait where somebody alters it: those are left out.
    const { rows: found } = await database.query<Found>(`
      with altered as (
        select relation from pg_locks
        where granted and mode = 'AccessExclusiveLock' and locktype = 'relation' and pid <> pg_backend_pid()
          and database = (select oid from pg_database where datname = current_database())
      ),
      bounds as materialized (
        select i.inhparent as parent,
               max(nullif(split_part(split_part(pg_get_expr(c.relpartbound, c.oid), 'TO (''', 2), '''', 1), '')::timestamptz)
                 as until
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        join pg_partitioned_table p on p.partrelid = i.inhparent
        join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
        where p.partstrat = 'r' and p.partnatts = 1 and c.oid <> p.partdefid
          and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
          and c.oid not in (select relation from altered)
        group by i.inhparent
      )
      select format('%I.%I', n.nspname, t.relname) as object,
             (select count(*)::int from pg_inherits where inhparent = t.oid) as partitions,
             to_char(b.until, 'YYYY-MM-DD') as "coveredUntil",
             (extract(epoch from b.until - clock_timestamp()) / 86400)::float8 as "aheadDays",
             case when p.partdefid <> 0 then (select format('%I.%I', dn.nspname, d.relname) from pg_class d
                                               join pg_namespace dn on dn.oid = d.relnamespace where d.oid = p.partdefid)
             end as "defaultPartition",
             case when p.partdefid <> 0 then greatest(pg_stat_get_live_tuples(p.partdefid),
                    (select reltuples from pg_class where oid = p.partdefid), 0) else 0 end::float8 as "defaultRows",
             case when to_regprocedure(format('%I.create_partitions_ahead(regclass,integer)', n.nspname)) is not null
                  then format('%I.create_partitions_ahead', n.nspname) end as maker
      from pg_partitioned_table p
      join pg_class t on t.oid = p.partrelid
      join pg_namespace n on n.oid = t.relnamespace
      left join bounds b on b.parent = p.partrelid
      where n.nspname !~ '^pg_' and n.nspname <> 'monitoring'
      order by 1`);
    const findings = found.flatMap((row) => [...ahead(row, limits), ...fallen(row, limits)]);
    return { rows: found.map(({ maker: _, ...row }) => row), findings };
  },
});

function ahead(
  { object, aheadDays, coveredUntil, defaultPartition, maker }: Found,
  limits: { aheadDays: number; criticalDays: number },
): Finding[] {
  if (aheadDays === null || aheadDays >= limits.aheadDays) return [];
  const days = Math.floor(aheadDays);
  return [
    {
      severity: aheadDays < limits.criticalDays ? "critical" : "warning",
      object,
      what:
        aheadDays < 0
          ? `${object} has had no partition for today since ${coveredUntil}.`
          : `${object} has partitions for ${things(days, "more day")} only, until ${coveredUntil}.`,
      why: defaultPartition
        ? `Later rows go to ${defaultPartition}, from where each has to be moved.`
        : "Inserts of later rows fail.",
      fix: maker
        ? `select ${maker}('${object.replaceAll("'", "''")}', 12); and see why the upkeep that does so did not run.`
        : `create table … partition of ${object} for values from ('${coveredUntil}') to ('…'); and have it done daily.`,
    },
  ];
}

function fallen({ object, defaultPartition, defaultRows }: Found, limits: { defaultRows: number }): Finding[] {
  if (defaultPartition === null || defaultRows < limits.defaultRows) return [];
  return [
    {
      severity: "warning",
      object: defaultPartition,
      what: `About ${count(defaultRows)} rows of ${object} are in its default partition ${defaultPartition}.`,
      why: "No partition can be made where the default one holds rows, and it is read by every query.",
      fix: `In one transaction: detach ${defaultPartition}, make the partitions that its rows need, insert them into ${object}, and attach it again, empty.`,
    },
  ];
}
