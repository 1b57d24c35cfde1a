import { styleText } from "node:util";

/** A line for people: to stderr, so that stdout stays data. */
export function say(line = ""): void {
  process.stderr.write(`${line}\n`);
}

/** Colours a text for stderr; plain where NO_COLOR is set or stderr is no terminal. */
export function style(format: Parameters<typeof styleText>[0], text: string): string {
  return styleText(format, text, { stream: process.stderr, validateStream: true });
}

/** A number for people, with thousands separated. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export interface Progress {
  /** Tells how much is done, in the unit of `total`. */
  update(done: number, note?: string): void;
  /** Draws the last state and ends the line. */
  stop(): void;
}

// A terminal is redrawn ten times a second; a log gets a line every two seconds.
const redrawInterval = 100;
const lineInterval = 2_000;
const barWidth = 28;
const shortestTitle = 7;

/**
 * Shows the progress of something long: a bar on a terminal, a line every two seconds elsewhere.
 * @param options.total the amount that is the whole, in any unit; 0 when it is not known
 */
export function progress(options: { title: string; total: number }): Progress {
  const started = Date.now();
  const terminal = Boolean(process.stderr.isTTY) && process.env.TERM !== "dumb";
  let [done, note, drawn, dirty] = [0, "", 0, false];

  function draw(): void {
    drawn = Date.now();
    dirty = false;
    const seconds = Math.round((drawn - started) / 1000);
    const share = options.total > 0 ? Math.min(done / options.total, 1) : undefined;
    const percent = share === undefined ? "" : `${String(Math.floor(share * 100)).padStart(3)} %`;
    const state = [percent, note, `${seconds} s`].filter(Boolean).join("  ");
    if (!terminal) {
      say(`${options.title}  ${state}`);
      return;
    }
    const filled = Math.round((share ?? 0) * barWidth);
    const bar = share === undefined ? "" : `[${"=".repeat(filled)}${" ".repeat(barWidth - filled)}] `;
    // A line that the terminal wraps would stay on the screen at every redraw: the title gives way, by its start.
    const room = (process.stderr.columns || 80) - 1;
    const title = shortened(options.title, Math.max(room - bar.length - state.length - 2, shortestTitle));
    process.stderr.write(`\r\x1b[K${`${bar}${title}  ${state}`.slice(0, room)}`);
  }

  return {
    update(value, text = note) {
      [done, note, dirty] = [value, text, true];
      if (Date.now() - (drawn || started) >= (terminal ? redrawInterval : lineInterval)) draw();
    },
    stop() {
      if (terminal || (dirty && drawn)) draw();
      if (terminal) process.stderr.write("\n");
    },
  };
}

function shortened(title: string, length: number): string {
  return title.length > length ? `…${title.slice(1 - length)}` : title;
}
