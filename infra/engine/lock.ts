import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../toolkit/alive.ts";
import { UserError } from "../../toolkit/errors.ts";
import { stackFolder } from "./state.ts";

/**
 * Takes the lock of a stack, which one run at a time may have; a run that was killed leaves it, and does not count.
 * @returns a function that gives it back
 * @throws UserError that names the process that has it
 */
export function lockStack(stack: string): () => void {
  mkdirSync(stackFolder(stack), { recursive: true, mode: 0o700 });
  const file = join(stackFolder(stack), "lock");
  const own = `${file}.${process.pid}`;
  writeFileSync(own, `${process.pid}\n`, { mode: 0o600 });
  try {
    // Twice: once more after the lock of a killed run is cleared away.
    if (!tryLink(own, file)) {
      const holder = Number(readFileSync(file, "utf8").trim());
      // A number that this process has by now was that of a run that is gone.
      if (holder > 0 && holder !== process.pid && isAlive(holder))
        throw new UserError(`another run (process ${holder}) is working on stack ${stack}`, {
          fix: "Wait until it is done.",
        });
      rmSync(file, { force: true });
      if (!tryLink(own, file)) throw new UserError(`another run has just begun to work on stack ${stack}`);
    }
  } finally {
    rmSync(own, { force: true });
  }
  return () => rmSync(file, { force: true });
}

/** Linking fails where the name exists, and the file has its content from the first moment on. */
function tryLink(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return false;
    throw error;
  }
}
