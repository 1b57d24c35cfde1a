import { UserError } from "../errors.ts";

const again = "run the same command again: it goes on after the last batch that was committed.";

/** Refusals that are no defect of the loader, by the start of their SQLSTATE or of the socket's error code. */
const refusals: { codes: string[]; what: (file: string) => string; fix: string }[] = [
  {
    codes: ["08", "57P", "ECONN", "EPIPE", "ETIMEDOUT"],
    what: (file) => `the connection was lost while ${file} was loaded`,
    fix: `Once the server answers, ${again}`,
  },
  {
    codes: ["42501"],
    what: (file) => `this user may not load ${file}`,
    fix: "Use the owner of the tables, or grant what is missing; the journal of loads is in the schema deploy.",
  },
  {
    codes: ["25006"],
    what: (file) => `${file} cannot be loaded here: the server is read-only`,
    fix: "Name the primary server instead of a standby.",
  },
  {
    codes: ["53100", "53200"],
    what: (file) => `the server has no room left to load ${file}`,
    fix: `Make room, then ${again}`,
  },
  {
    codes: ["40P01", "40001", "55P03", "57014"],
    what: (file) => `the load of ${file} was cancelled in favour of another session`,
    fix: `Once that one is done, ${again}`,
  },
];

/** What a user can do about an error of a load; the error itself where that is nothing. */
export function explainRefusal(error: unknown, file: string): unknown {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  const lost = /^(Connection terminated|Client has encountered a connection error)/.test(message);
  const key = lost ? "08" : code;
  const refusal = key && refusals.find(({ codes }) => codes.some((start) => key.startsWith(start)));
  if (!refusal || error instanceof UserError) return error;
  return new UserError(refusal.what(file), { why: message, fix: refusal.fix, cause: error });
}
