import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer, type Server, Socket } from "node:net";

const loopback = "127.0.0.1";
// A listener on the loopback answers at once; one that hangs is a listener too.
const answerTimeout = 1_000;
// How far to look for a free port to propose.
const portsToTry = 50;

/** Whether a program listens on a port of the loopback. Both ways: a listener on every address need not stop a bind. */
export async function isTaken(port: number): Promise<boolean> {
  return (await answers(port)) || !(await canListen(port));
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new Socket();
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(answerTimeout, () => end(true));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
    socket.connect(port, loopback);
  });
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe: Server = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, loopback, () => probe.close(() => resolve(true)));
  });
}

/** The first free port above another one, to propose; undefined where there is none nearby. */
export async function freePortAbove(port: number): Promise<number | undefined> {
  for (let candidate = port + 1; candidate <= Math.min(port + portsToTry, 65_535); candidate++)
    if (!(await isTaken(candidate))) return candidate;
  return undefined;
}

/**
 * Which program listens on a port, as far as this user may know: `postgres (process 123) in /home/…/data`. Linux only,
 * where it takes no other program to find out.
 */
export function describeListener(port: number): string | undefined {
  if (process.platform !== "linux") return undefined;
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listeningInodes(table, port)));
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid) || !holdsSocket(pid, inodes)) continue;
    try {
      const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
      return `${name} (process ${pid}) in ${readlinkSync(`/proc/${pid}/cwd`)}`;
    } catch {
      // It ended, or it is another user's.
    }
  }
  return undefined;
}

/** Lines of /proc/net/tcp: number, local address as HEX:PORT, remote address, state (0A listens), …, inode at 9. */
function listeningInodes(table: string, port: number): string[] {
  try {
    return readFileSync(table, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => state === "0A" && Number.parseInt(local?.split(":")[1] ?? "", 16) === port)
      .map((fields) => fields[9]!);
  } catch {
    return [];
  }
}

function holdsSocket(pid: string, inodes: Set<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      try {
        return inodes.has(/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1] ?? "");
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
