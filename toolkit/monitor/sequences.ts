import { count } from "../terminal.ts";
import { question } from "./question.ts";
import { docs, pghero } from "./sources.ts";
import { percent } from "./texts.ts";

interface Row {
  object: string;
  /** The column that takes its values, with its table; empty when there is none. */
  column: string;
  lastValue: number;
  most: number;
  usedPercent: number;
}

/** Sequences, against the end of their own range or of the column that they fill, whichever comes first. */
export const sequences = question<Row, "usedPercent" | "criticalPercent">({
  name: "sequences",
  title: "Which sequences and integer keys run out?",
  thresholds: {
    usedPercent: {
      value: 70,
      unit: "%",
      why: "To widen a key takes a rewrite of its table, and of those that refer to it: that wants planning.",
      source: `${docs}/datatype-numeric.html#DATATYPE-SERIAL`,
    },
    criticalPercent: {
      value: 90,
      unit: "%",
      why: "PgHero's danger mark.",
      source: `${pghero}/blob/master/lib/pghero/methods/sequences.rb`,
    },
  },
  async ask(database, limits) {
    // A serial's sequence may count in bigint while its column is an integer: the narrower end counts.
    const { rows } = await database.query<Row>(`
      with used as (
        select format('%I.%I', n.nspname, c.relname) as object, s.seqincrement > 0 as rises,
               pg_sequence_last_value(c.oid)::float8 as last, s.seqstart::float8 as start, s.seqmin::float8 as least,
               least(s.seqmax::float8, case a.atttypid when 'int2'::regtype then 32767
                                                       when 'int4'::regtype then 2147483647 end) as most,
               case when a.attname is not null then format('%I.%I.%I', tn.nspname, t.relname, a.attname) else '' end as col
        from pg_sequence s
        join pg_class c on c.oid = s.seqrelid
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
                             and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
        left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        left join pg_class t on t.oid = d.refobjid
        left join pg_namespace tn on tn.oid = t.relnamespace
        where not s.seqcycle and n.nspname !~ '^pg_(toast_)?temp'
          and (has_sequence_privilege(s.seqrelid, 'select') or has_sequence_privilege(s.seqrelid, 'usage'))
      )
      select object, col as column, coalesce(last, start) as "lastValue", case when rises then most else least end as most,
             case when last is null then 0
                  when rises then 100 * (last - least) / (most - least)
                  else 100 * (most - last) / (most - least) end as "usedPercent"
      from used order by 5 desc, 1`);
    return {
      rows,
      findings: rows
        .filter(({ usedPercent }) => usedPercent >= limits.usedPercent)
        .map(({ object, column, lastValue, most, usedPercent }) => ({
          severity: usedPercent >= limits.criticalPercent ? ("critical" as const) : ("warning" as const),
          object,
          what: `The sequence ${object} stands at ${count(lastValue)} of ${count(most)}, ${percent(usedPercent)}${column ? `, and fills ${column}` : ""}.`,
          why: "At its end every insert fails.",
          fix: column
            ? `Make ${column} a bigint, with the keys that refer to it: a migration that adds a column, fills it in batches and swaps the two keeps writes going; alter sequence ${object} as bigint;`
            : `alter sequence ${object} as bigint;`,
        })),
    };
  },
});
