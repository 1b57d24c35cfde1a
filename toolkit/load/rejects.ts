import { constants } from "node:fs";
import { access, type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import type { Reject } from "./batches.ts";
import { type Layout, rejectColumns } from "./layout.ts";

/** Where a file's rejected lines are kept: NAME.rejects.csv beside it, or in a folder. Never the file itself. */
export function rejectsPath(path: string, folder = dirname(path)): string {
  return join(folder, `${basename(path).replace(/\.csv$/i, "")}.rejects.csv`);
}

/**
 * Makes sure that a folder for rejected lines is one.
 * @throws UserError (exit code 2) when it is missing or cannot be written to
 */
export async function checkRejectsFolder(folder: string): Promise<void> {
  try {
    if (!(await stat(folder)).isDirectory()) throw new Error("It is not a folder.");
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new UserError(`rejected lines cannot be kept in ${folder}`, {
      why: (error as Error).message,
      fix: "Name a folder that exists and can be written to with --rejects.",
      exitCode: 2,
      cause: error,
    });
  }
}

/** The file of rejected lines: each as it was, behind its number and the reason, under the file's own header. */
export class RejectFile {
  readonly path: string;
  #layout: Layout;
  #file: FileHandle | undefined;
  #size = 0;

  constructor(path: string, layout: Layout) {
    this.path = path;
    this.#layout = layout;
  }

  /** Whether there is a file of rejected lines, whichever load has written it. */
  async exists(): Promise<boolean> {
    return (await this.#start()) !== undefined;
  }

  /**
   * Goes on after the first `size` bytes, which are of committed batches; what follows them is written again.
   * @returns false when the file no longer holds them
   */
  async resume(size: number): Promise<boolean> {
    const start = await this.#start();
    // Without a committed line there may be none, or the first part of one that was being written.
    const ours = start !== undefined && `${this.#header()}\n`.startsWith(start);
    if (size === 0) {
      if (ours) await rm(this.path);
      else await this.setAside();
      return true;
    }
    if (!ours || (await stat(this.path)).size < size) return false;
    this.#size = size;
    return true;
  }

  /**
   * Puts what an earlier load left out of the way, under the name with .old behind it: someone may have begun to
   * correct it.
   * @throws UserError when the file there is not one of rejected lines
   */
  async setAside(): Promise<void> {
    const start = await this.#start();
    if (start === undefined) return;
    if (start !== "" && !new RegExp(`^${rejectColumns.join("[,;|\\t]")}`).test(start)) throw this.#inTheWay();
    await rename(this.path, `${this.path}.old`);
    say(`the rejected lines of an earlier load are now in ${this.path}.old`);
  }

  /**
   * Appends lines and waits until they are on disk.
   * @returns the file's size in bytes
   * @throws UserError when they cannot be written
   */
  async append(rejects: Reject[]): Promise<number> {
    if (rejects.length === 0) return this.#size;
    const { delimiter } = this.#layout;
    const lines = rejects.map(({ line, reason, text }) => [line, quoted(reason), text].join(delimiter));
    if (this.#size === 0) lines.unshift(this.#header());
    try {
      await this.#write(Buffer.from(`${lines.join("\n")}\n`, "latin1"));
    } catch (error) {
      throw new UserError(`the rejected lines cannot be written to ${this.path}`, {
        why: (error as Error).message,
        fix: "Name a folder that can be written to with --rejects, and run the command again.",
        cause: error,
      });
    }
    return this.#size;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  async #write(bytes: Buffer): Promise<void> {
    if (!this.#file) {
      this.#file = await open(this.path, this.#size === 0 ? "w" : "r+");
      await this.#file.truncate(this.#size);
    }
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#size + done);
      done += bytesWritten;
    }
    await this.#file.sync();
    this.#size += bytes.length;
  }

  #inTheWay(): UserError {
    return new UserError(`${this.path} is in the way: rejected lines would go there, and it is not a reject file`, {
      fix: "Move it, or name another folder with --rejects.",
      exitCode: 2,
    });
  }

  #header(): string {
    return [...rejectColumns, this.#layout.header].join(this.#layout.delimiter);
  }

  /** The file's first bytes, as many as its header should have; nothing when there is no file. */
  async #start(): Promise<string | undefined> {
    const file = await open(this.path).catch(() => undefined);
    if (!file) return undefined;
    try {
      if (!(await file.stat()).isFile()) throw this.#inTheWay();
      const length = this.#header().length + 1;
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, 0);
      return buffer.toString("latin1", 0, bytesRead);
    } finally {
      await file.close();
    }
  }
}

/** A reason as a quoted field: UTF-8 bytes as characters, as the lines beside it are. */
function quoted(reason: string): string {
  return `"${Buffer.from(reason, "utf8").toString("latin1").replaceAll('"', '""')}"`;
}
