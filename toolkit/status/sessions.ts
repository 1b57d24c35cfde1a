import { question } from "../monitor/question.ts";
import { sessionsHidden } from "../monitor/server.ts";
import { statement } from "../monitor/texts.ts";

interface Row {
  pid: number;
  user: string | null;
  application: string | null;
  /** As pg_stat_activity says it: active, idle, idle in transaction; "hidden" of another user's, without the right. */
  state: string;
  /** What it waits for, as Lock:transactionid; null when it works, or waits for its client. */
  wait: string | null;
  /** Since its statement began; null when it never ran one. */
  statementSeconds: number | null;
  /** The statement that runs, or ran last, without its literals. */
  query: string;
}

/** The sessions of clients in this database, but for our own: those that work first, the longest before the others. */
export const sessions = question<Row, never>({
  name: "sessions",
  title: "Who is connected, and what runs?",
  thresholds: {},
  async ask(database) {
    const { rows } = await database.query<Row>(`
      select pid, usename as "user", application_name as application, coalesce(state, 'hidden') as state,
             case when state = 'active' or wait_event_type <> 'Client'
                  then wait_event_type || ':' || wait_event end as wait,
             extract(epoch from clock_timestamp() - query_start)::float8 as "statementSeconds",
             left(query, 2000) as query
      from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
      order by state = 'active' desc nulls last, state like 'idle in%' desc nulls last, query_start, pid`);
    return {
      rows: rows.map((row) => ({ ...row, query: statement(row.query) })),
      findings: [],
      ...(database.server.seesSessions ? {} : { unavailable: sessionsHidden }),
    };
  },
});
