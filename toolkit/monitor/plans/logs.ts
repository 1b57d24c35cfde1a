import type { BackupTarget } from "../../backup/target.ts";
import { localLog } from "./localLog.ts";
import type { LogSource } from "./logSource.ts";
import { rdsLog } from "./rdsLog.ts";
import { serverLog } from "./serverLog.ts";

/** Where the log of a stack's server may be, in the order in which it is looked for. */
export function logsOf(backup: BackupTarget | undefined): LogSource[] {
  return backup?.kind === "rds" ? [rdsLog(backup)] : [serverLog, localLog];
}
