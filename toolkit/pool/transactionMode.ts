import { UserError } from "../errors.ts";
import { forPeople, withoutLiterals } from "./statementText.ts";

const features = "https://www.pgbouncer.org/features.html";

/**
 * What needs a session of its own, which a PgBouncer in transaction mode does not give: the next transaction may run
 * on another backend, and this one serves somebody else with what was left in it.
 */
const refused: { name: string; statement: RegExp; instead: string; source: string }[] = [
  {
    name: "SET and RESET outlast the transaction",
    statement: /(?:^|;)\s*(?:set\s+(?!local\b|transaction\b|constraints\b)|reset\s)/i,
    instead: "Use `set local` in a transaction, or `alter role … set …`.",
    source: features,
  },
  {
    name: "set_config(…, false) outlasts the transaction",
    statement: /\bset_config\s*\([^()]*,\s*false\s*\)/i,
    instead: "Call it with true, in a transaction.",
    source: "https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SET",
  },
  {
    name: "LISTEN belongs to a session",
    statement: /(?:^|;)\s*(?:un)?listen\s/i,
    instead: "Listen on a connection of its own, directly to the server (toolkit/connection.ts).",
    source: features,
  },
  {
    name: "a session's advisory lock stays with a backend that the next transaction does not have",
    statement: /\bpg_(?:try_)?advisory_(?:un)?lock(?:_all|_shared)?\s*\(/i,
    instead: "Use pg_advisory_xact_lock in a transaction.",
    source: "https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS",
  },
  {
    name: "PREPARE, DEALLOCATE and EXECUTE name a statement of a session",
    statement: /(?:^|;)\s*(?:prepare\s+(?!transaction\b)|deallocate\s|execute\s)/i,
    instead: "Send the statement with its values; what is named through pg is sent without its name.",
    source: features,
  },
  {
    name: "a cursor WITH HOLD outlasts its transaction",
    statement: /\bdeclare\s[^;]*\bwith\s+hold\b/i,
    instead: "Read the cursor within the transaction.",
    source: features,
  },
  {
    name: "a temporary table outlasts its transaction",
    statement: /\bcreate\s+(?:(?:global|local)\s+)?temp(?:orary)?\s+table\b(?![^;]*\bon\s+commit\s+drop\b)/i,
    instead: "Add `on commit drop`, in a transaction.",
    source: features,
  },
  {
    name: "LOAD and DISCARD act on a session",
    statement: /(?:^|;)\s*(?:load\s|discard\s)/i,
    instead: "Name the library in session_preload_libraries.",
    source: features,
  },
];

/**
 * Refuses a statement that would leave something in a backend that other clients share.
 * @throws UserError before anything is sent
 */
export function refuseSessionState(text: string): void {
  const bare = withoutLiterals(text);
  const found = refused.find(({ statement }) => statement.test(bare));
  if (!found) return;
  throw new UserError(`refused behind PgBouncer in transaction mode: ${forPeople(text)}`, {
    why: `${found.name[0]!.toUpperCase()}${found.name.slice(1)} (${found.source}).`,
    fix: found.instead,
  });
}
