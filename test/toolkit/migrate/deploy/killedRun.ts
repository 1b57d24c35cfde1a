import pg from "pg";
import { parseConnectionString } from "../../../../toolkit/connection.ts";
import { deploy } from "../../../../toolkit/migrate/deploy.ts";
import { optionsFor, rememberedBackups } from "./options.ts";

/**
 * An `up` that kills itself, as hard as the system can, right after it has sent its KILL_AT-th query; where POSTMASTER
 * is given, the server goes with it. Prints how many queries a whole run takes when it gets to its end.
 */
const { DATABASE_URL, DIRECTORY, KILL_AT, POSTMASTER } = process.env;
let sent = 0;
const original = pg.Client.prototype.query as (...args: unknown[]) => unknown;
Object.assign(pg.Client.prototype, {
  query(this: pg.Client, ...args: unknown[]) {
    const result = original.apply(this, args);
    sent += 1;
    // The query leaves in this turn of the loop; its answer never arrives.
    if (sent === Number(KILL_AT))
      setImmediate(() => {
        if (POSTMASTER) process.kill(Number(POSTMASTER), "SIGKILL");
        process.kill(process.pid, "SIGKILL");
      });
    return result;
  },
});

await deploy(
  parseConnectionString(DATABASE_URL!),
  optionsFor({ directory: DIRECTORY! }, { backups: rememberedBackups() }),
).catch(() => {});
console.log(sent);
