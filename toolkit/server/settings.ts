import { createHash } from "node:crypto";

/**
 * A setting of ours whose value is a hash of all the others: asked of a running server, it tells which settings file
 * that server has read last. PostgreSQL takes any name with a dot in it.
 */
export const markName = "stack.settings";

/** The settings that keep the server on the loopback and on TCP: what a stack says cannot change them. */
const fixed = { listen_addresses: "127.0.0.1", unix_socket_directories: "" };

// They are not settings but directives, or they would move the server away from the folder that is looked after here.
const reserved: Record<string, string> = {
  ...Object.fromEntries(
    Object.keys(fixed).map((name) => [name, "The embedded server listens on the loopback only, by TCP."]),
  ),
  port: "The port has a key of its own: database:port.",
  [markName]: "`up` sets it, to know which settings the server has read.",
  ...Object.fromEntries(
    ["data_directory", "config_file", "hba_file", "ident_file", "external_pid_file"].map((name) => [
      name,
      "The files of the embedded server are in the stack's folder.",
    ]),
  ),
  ...Object.fromEntries(
    ["include", "include_dir", "include_if_exists"].map((name) => [name, "It is a directive, not a setting."]),
  ),
};

/** Why the stack may not set a name, as a whole sentence; undefined where it may. */
export function whyReserved(name: string): string | undefined {
  return Object.hasOwn(reserved, name) ? reserved[name] : undefined;
}

/** Every name that our settings file sets, and that nothing else may set. */
export function namesSet(settings: Record<string, string>): string[] {
  return [...Object.keys(settings), ...Object.keys(fixed), "port"];
}

/** The text of our settings file. */
export function renderSettings(port: number, settings: Record<string, string>): string {
  const lines = Object.entries({ ...settings, ...fixed, port: String(port) }).map(settingLine);
  return [
    "# Written by `up`, which writes it again: change the stack's settings instead.",
    ...lines,
    settingLine([markName, markOf(port, settings)]),
    "",
  ].join("\n");
}

/** The value of {@link markName} that belongs to these settings. */
export function markOf(port: number, settings: Record<string, string>): string {
  return createHash("sha256")
    .update(JSON.stringify([port, settings]))
    .digest("hex")
    .slice(0, 16);
}

/** One line of a configuration file. */
export function settingLine([name, value]: [string, string]): string {
  return `${name} = '${value.replace(/['\\]/g, "$&$&")}'`;
}

/** The settings by which two sets differ, one line each: `work_mem: 4MB -> 8MB`. */
export function settingChanges(from: Record<string, string>, to: Record<string, string>): string[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
  return names
    .filter((name) => from[name] !== to[name])
    .map((name) => `${name}: ${from[name] ?? "(default)"} -> ${to[name] ?? "(default)"}`);
}
