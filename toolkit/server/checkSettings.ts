import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CheckFailure } from "../provider.ts";
import type { Binaries } from "./binaries.ts";
import { lastLines } from "./cluster.ts";
import { settingLine, whyReserved } from "./settings.ts";
import { run } from "./systemUser.ts";

/**
 * Lets PostgreSQL itself read the settings, without a server: `postgres -C` parses the whole configuration, and root
 * may run it too. What it cannot tell are contradictions between settings, and names of extensions not yet loaded.
 * @returns one failure for each setting that is refused
 */
export async function checkSettings(binaries: Binaries, settings: Record<string, string>): Promise<CheckFailure[]> {
  const failures: CheckFailure[] = [];
  const rest: [string, string][] = [];
  for (const [name, value] of Object.entries(settings)) {
    const why = whyReserved(name);
    if (why) failures.push(failure(name, value, why, "Remove it from database:parameters."));
    // A line break would end the line in the file, and what follows would be read as another setting.
    else if (/[\r\n\0]/.test(value))
      failures.push(failure(name, value, "A value is one line.", "Remove the line break."));
    else rest.push([name, value]);
  }
  const folder = await mkdtemp(join(tmpdir(), "settings-"));
  try {
    // PostgreSQL stops at the first value that it refuses: leave the refused ones out and let it read on.
    for (let refused = await refusedBy(binaries, folder, rest); refused.length > 0; ) {
      for (const { entry, why } of refused) {
        failures.push(failure(...entry, why, `Correct it in database:parameters, or remove it.`));
        rest.splice(rest.indexOf(entry), 1);
      }
      refused = await refusedBy(binaries, folder, rest);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return failures;
}

async function refusedBy(
  { postgres }: Binaries,
  folder: string,
  settings: [string, string][],
): Promise<{ entry: [string, string]; why: string }[]> {
  const file = join(folder, "postgresql.conf");
  await writeFile(file, `${settings.map(settingLine).join("\n")}\n`);
  const { code, stderr } = await run(postgres, ["-C", "port", "-D", folder, `--config_file=${file}`]);
  if (code === 0) return [];
  const found = new Map<[string, string], string>();
  let last: [string, string] | undefined;
  for (const line of stderr.split("\n")) {
    const text = line.replace(/^.*? (?:LOG|FATAL|ERROR|WARNING|DETAIL|HINT): +/, "");
    // Unknown names and bad syntax come with their line in the file; a bad value comes with the setting's name, in the
    // spelling of PostgreSQL ("DateStyle").
    const at = Number(/ in file ".*" line (\d+)/.exec(text)?.[1] ?? Number.NaN) - 1;
    const named = /parameter "([^"]+)"/.exec(text)?.[1]?.toLowerCase();
    const entry = settings[at] ?? settings.find(([name]) => name.toLowerCase() === named);
    const what = sentence(text.replace(/ in file ".*" line \d+/, ""));
    if (entry && !found.has(entry)) {
      found.set(entry, what);
      last = entry;
    } else if (last && / (DETAIL|HINT): /.test(line)) found.set(last, `${found.get(last)} ${what}`);
  }
  if (found.size > 0) return [...found].map(([entry, why]) => ({ entry, why }));
  if (settings.length === 0) throw new Error(`postgres -C fails without a setting: ${lastLines(stderr)}`);
  // It says nothing that names a setting: read them one by one.
  return settings.length === 1
    ? [{ entry: settings[0]!, why: sentence(lastLines(stderr)) }]
    : (await Promise.all(settings.map((entry) => refusedAlone(postgres, folder, entry)))).flat();
}

async function refusedAlone(postgres: string, folder: string, entry: [string, string]) {
  const { code, stderr } = await run(postgres, ["-C", "port", "-D", folder, "-c", `${entry[0]}=${entry[1]}`]);
  return code === 0 ? [] : [{ entry, why: sentence(lastLines(stderr)) }];
}

function failure(name: string, value: string, why: string, fix: string): CheckFailure {
  return {
    property: `settings.${name}`,
    reason: `PostgreSQL's setting ${name} cannot be ${JSON.stringify(value)}\n  why: ${why}\n  fix: ${fix}`,
  };
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
