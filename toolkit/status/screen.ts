import type { ReadStream, WriteStream } from "node:tty";
import { type Line, render } from "./lines.ts";

// The alternate screen leaves what stood there as it was; the cursor would flicker over it.
const [enter, leave] = ["\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"];
const [home, restOfLine, restOfScreen] = ["\x1b[H", "\x1b[K", "\x1b[J"];

// The exit codes of a program that a signal ended, as shells tell them.
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const keys: Record<string, number> = { q: 0, Q: 0, "\u0003": 130, "\u0004": 0 };

/** A terminal that is drawn on as a whole, until somebody wants to leave. */
export class Screen {
  /** The exit code, once a key or a signal says that it is over. */
  readonly ended: Promise<number>;
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #undo: (() => void)[] = [];

  /** Takes the terminal over. @param resized called when it has another size */
  constructor(input: ReadStream, output: WriteStream, resized: () => void) {
    [this.#input, this.#output] = [input, output];
    this.ended = new Promise((end) => {
      const pressed = (typed: Buffer) => {
        for (const key of typed.toString()) if (Object.hasOwn(keys, key)) end(keys[key]!);
      };
      this.#listen(input, "data", pressed as () => void);
      this.#listen(output, "resize", resized);
      // A terminal that is gone cannot be written to, and nobody is left to see it.
      this.#listen(output, "error", () => end(signals.SIGHUP));
      for (const [signal, code] of Object.entries(signals)) this.#listen(process, signal, () => end(code));
      // Whatever ends the process leaves the terminal usable.
      this.#listen(process, "exit", () => this.close());
    });
    input.setRawMode(true).resume();
    output.write(enter);
  }

  get rows(): number {
    return this.#output.rows || 24;
  }

  get columns(): number {
    return this.#output.columns || 80;
  }

  /** Draws over what is there, without clearing it first: that would flicker. */
  draw(lines: Line[]): void {
    const text = lines.slice(0, this.rows).map((line) => `${render(line, this.columns, this.#output)}${restOfLine}`);
    this.#output.write(`${home}${text.join("\r\n")}${restOfScreen}`);
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (this.#undo.length === 0) return;
    for (const undo of this.#undo.splice(0)) undo();
    this.#output.write(leave);
    this.#input.setRawMode(false).pause();
  }

  #listen(emitter: NodeJS.EventEmitter, event: string, listener: () => void): void {
    emitter.on(event, listener);
    this.#undo.push(() => emitter.off(event, listener));
  }
}
