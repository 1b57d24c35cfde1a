import type { Database } from "./database.ts";
import { type Answer, type Finding, question } from "./question.ts";
import { docs, rdsGuide } from "./sources.ts";
import { bytes, duration } from "./texts.ts";

interface Row {
  kind: "this replica" | "replica" | "slot";
  object: string;
  state: string;
  /** WAL that is not replayed yet, or that a slot keeps. */
  lagBytes: number | null;
  /** How old what it shows is. */
  lagSeconds: number | null;
}

type Names = "lagBytes" | "lagSeconds" | "criticalSeconds" | "slotBytes" | "criticalSlotBytes";
type Limits = Record<Names, number>;

/**
 * On a primary: its replicas and the slots that keep WAL. On a replica: its own lag, for the primary does not know of
 * one that is stuck or gone.
 */
export const replication = question<Row, Names>({
  name: "replication",
  title: "Do replicas keep up, and what keeps WAL?",
  thresholds: {
    lagBytes: {
      value: 256 * 1024 ** 2,
      unit: "bytes",
      why: "The same as the runbook replica-lagging: 16 segments of WAL.",
      source: `${docs}/warm-standby.html#STREAMING-REPLICATION-MONITORING`,
    },
    lagSeconds: {
      value: 30,
      unit: "seconds",
      why: "Amazon's replicas lag by seconds; half a minute shows to users.",
      source: `${rdsGuide}/USER_PostgreSQL.Replication.ReadReplicas.html`,
    },
    criticalSeconds: {
      value: 300,
      unit: "seconds",
      why: "Where it takes over now, five minutes of work are lost.",
      source: `${rdsGuide}/USER_PostgreSQL.Replication.ReadReplicas.html`,
    },
    slotBytes: {
      value: 1024 ** 3,
      unit: "bytes",
      why: "As much as max_wal_size by default: WAL beyond it is kept for somebody.",
      source: `${docs}/runtime-config-replication.html#GUC-MAX-SLOT-WAL-KEEP-SIZE`,
    },
    criticalSlotBytes: {
      value: 10 * 1024 ** 3,
      unit: "bytes",
      why: "A slot without a limit fills the disk.",
      source: `${docs}/warm-standby.html#STREAMING-REPLICATION-SLOTS`,
    },
  },
  async ask(database, limits) {
    const slots = await askSlots(database, limits);
    const lag =
      database.server.role === "replica" ? await askReplica(database, limits) : await askPrimary(database, limits);
    return { rows: [...lag.rows, ...slots.rows], findings: [...lag.findings, ...slots.findings] };
  },
});

async function askReplica(database: Database, limits: Limits): Promise<Answer<Row>> {
  // All that was received and is replayed: the primary was quiet, and nothing is old.
  const { rows } = await database.query<{ received: number; seconds: number; receiving: boolean; paused: boolean }>(`
    select coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::float8 as received,
           case when pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() then 0
                else coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()), 0) end::float8
             as seconds,
           exists (select from pg_stat_wal_receiver) as receiving, pg_is_wal_replay_paused() as paused`);
  const { received, seconds, receiving, paused } = rows[0]!;
  const state = paused ? "paused" : receiving ? "streaming" : "not receiving";
  const findings: Finding[] = [];
  const about = { object: "", runbook: "replica-lagging" } as const;
  const why = "Whoever reads here sees old data, and where it takes over, the rest is lost.";
  if (!receiving)
    findings.push({
      ...{ severity: "critical", ...about, why },
      what: "This replica receives nothing: it has no connection to its primary.",
      fix: "Look into its log; correct primary_conninfo, or build it anew where the WAL that it needs is gone. One that restores from an archive has none, which is as it should be.",
    });
  if (paused)
    findings.push({
      ...{ severity: "warning", ...about, why },
      what: "The replay of this replica is paused.",
      fix: "select pg_wal_replay_resume();",
    });
  if (received >= limits.lagBytes || seconds >= limits.lagSeconds)
    findings.push({
      ...{ severity: seconds >= limits.criticalSeconds ? "critical" : "warning", ...about, why },
      what: `This replica is ${duration(seconds)} and ${bytes(received)} of WAL behind.`,
      fix: "Find what holds the replay back: a long query here, or a disk that is too slow.",
    });
  return { rows: [{ kind: "this replica", object: "", state, lagBytes: received, lagSeconds: seconds }], findings };
}

async function askPrimary(database: Database, limits: Limits): Promise<Answer<Row>> {
  const { rows } = await database.query<Row>(`
    select 'replica' as kind, coalesce(nullif(application_name, ''), host(client_addr), 'pid ' || pid) as object,
           coalesce(state, 'hidden') as state, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 as "lagBytes",
           extract(epoch from replay_lag)::float8 as "lagSeconds"
    from pg_stat_replication order by 4 desc nulls last`);
  return {
    rows,
    findings: rows
      .filter((row) => (row.lagBytes ?? 0) >= limits.lagBytes || (row.lagSeconds ?? 0) >= limits.lagSeconds)
      .map(({ object, lagBytes, lagSeconds }) => ({
        severity: (lagSeconds ?? 0) >= limits.criticalSeconds ? "critical" : "warning",
        object,
        what: `The replica ${object} is ${bytes(lagBytes ?? 0)} of WAL behind, and what it replays is ${duration(lagSeconds ?? 0)} old.`,
        why: "Whoever reads there sees old data.",
        fix: "Ask on the replica itself: a long query may hold its replay back.",
        runbook: "replica-lagging",
      })),
  };
}

async function askSlots(database: Database, limits: Limits): Promise<Answer<Row>> {
  const end = database.server.role === "replica" ? "pg_last_wal_replay_lsn()" : "pg_current_wal_lsn()";
  const { rows } = await database.query<Row & { lost: boolean }>(`
    select 'slot' as kind, slot_name as object, concat(case when active then 'active' else 'unused' end,
             case when wal_status in ('unreserved', 'lost') then ', ' || wal_status end) as state,
           pg_wal_lsn_diff(${end}, restart_lsn)::float8 as "lagBytes", null::float8 as "lagSeconds",
           coalesce(wal_status in ('unreserved', 'lost'), false) as lost
    from pg_replication_slots where not temporary order by 4 desc nulls last`);
  const findings = rows
    .filter(({ lost, lagBytes }) => lost || (lagBytes ?? 0) >= limits.slotBytes)
    .map(
      ({ object, state, lost, lagBytes }): Finding => ({
        severity: lost || (lagBytes ?? 0) >= limits.criticalSlotBytes ? "critical" : "warning",
        object,
        what: lost
          ? `The slot ${object} (${state}) has lost WAL that its reader needs, or is about to.`
          : `The slot ${object} (${state}) keeps ${bytes(lagBytes ?? 0)} of WAL.`,
        why: lost ? "Its reader cannot go on from there." : "The server removes none of it, until the disk is full.",
        fix: `If its reader will not come back: select pg_drop_replication_slot('${object}'); and set max_slot_wal_keep_size.`,
        runbook: "replica-lagging",
      }),
    );
  return { rows: rows.map(({ lost: _, ...row }) => row), findings };
}
