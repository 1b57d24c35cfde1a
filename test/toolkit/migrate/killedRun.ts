import pg from "pg";
import { parseConnectionString } from "../../../toolkit/connection.ts";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { revertMigrations } from "../../../toolkit/migrate/rollback.ts";

/**
 * A run of migrations that kills itself, as hard as the system can, right after it has sent its KILL_AT-th query.
 * Prints how many queries a whole run takes when it gets to its end.
 */
const { DATABASE_URL, DIRECTORY, DIRECTION, KILL_AT } = process.env;
let sent = 0;
const original = pg.Client.prototype.query as (...args: unknown[]) => unknown;
Object.assign(pg.Client.prototype, {
  query(this: pg.Client, ...args: unknown[]) {
    const result = original.apply(this, args);
    sent += 1;
    // The query leaves in this turn of the loop; its answer never arrives.
    if (sent === Number(KILL_AT)) setImmediate(() => process.kill(process.pid, "SIGKILL"));
    return result;
  },
});

const connection = parseConnectionString(DATABASE_URL!);
if (DIRECTION === "down") await revertMigrations(connection, { directory: DIRECTORY!, count: 2 });
else await applyMigrations(connection, { directory: DIRECTORY! });
console.log(sent);
