import { execFile } from "node:child_process";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const programs = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** A browser of this machine; undefined where it has none. */
export const browser = (
  await Promise.all(
    programs.map((program) =>
      access(program).then(
        () => program,
        () => undefined,
      ),
    ),
  )
).find((program) => program !== undefined);

/** What a browser makes of a page. */
export interface Seen {
  /** The document after it was laid out. */
  dom: string;
  /** A PNG of 1000 by 2400 pixels. */
  screenshot: Buffer;
}

/** Opens a file in the browser, without a window and without a network. */
export async function look(file: string): Promise<Seen> {
  const folder = await mkdtemp(join(tmpdir(), "browser-"));
  const options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"];
  const run = (...args: string[]) =>
    promisify(execFile)(
      browser!,
      [...options, `--user-data-dir=${folder}/profile`, "--window-size=1000,2400", ...args, `file://${file}`],
      { maxBuffer: 1 << 26 },
    );
  try {
    const picture = join(folder, "page.png");
    const { stdout } = await run(`--screenshot=${picture}`, "--dump-dom");
    return { dom: stdout, screenshot: await readFile(picture) };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
