import { UserError } from "../errors.ts";
import { decide, type Leadership } from "./leadership.ts";
import type { RouterLimits, RouterOptions } from "./options.ts";
import { isRefusal, Server, type ServerConfig } from "./server.ts";
import { Track } from "./track.ts";

/** What a router tells; each is for information, and none needs a listener. */
export interface FleetEvents {
  /** A replica has no part in the reads any more. */
  left: [{ server: string; reason: string }];
  returned: [{ server: string }];
  /** Another server is the primary from now on. */
  promoted: [{ from: string | undefined; to: string; timeline: number }];
  /** A server says that it is a primary, and another one is by a higher timeline: it is kept out of everything. */
  fenced: [{ server: string; timeline: number | null; primary: string | undefined; primaryTimeline: number }];
}

type Tell = <Name extends keyof FleetEvents>(name: Name, event: FleetEvents[Name][0]) => void;

/** The servers of a router, asked again and again what they are. */
export class Fleet {
  readonly servers: Server[];
  leadership: Leadership;
  readonly #track = new Track();
  readonly #tell: Tell;
  readonly #timer: NodeJS.Timeout;

  constructor(configs: Required<ServerConfig>[], options: RouterOptions, limits: RouterLimits, tell: Tell) {
    const names = configs.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined)
      throw new UserError(`two servers of the router are named ${twice}`, { fix: "Rename one of them.", exitCode: 2 });
    this.#tell = tell;
    this.servers = configs.map((config) => new Server(config, options, limits));
    this.leadership = { primary: names[0], timeline: 0, fenced: [] };
    void this.look();
    this.#timer = setInterval(() => void this.look(), limits.probeInterval).unref();
  }

  /** Who takes writes; undefined while nobody was seen to. */
  get primary(): Server | undefined {
    const found = this.servers.find(({ name }) => name === this.leadership.primary);
    return found?.seen?.standby === false ? found : undefined;
  }

  /** Who takes reads, by a weight above 0; the primary too, where it was given one. */
  readers(): Server[] {
    return this.servers.filter(
      (server) => server.weight > 0 && (server.seen?.standby ? server.out === undefined : server === this.primary),
    );
  }

  /** Asks every server now. */
  async look(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.probe((failure) => this.#note(server, failure))));
  }

  /** Notes that a server was lost while it was used, and asks all of them: another may be the primary by now. */
  suspect(server: Server, error: unknown): void {
    if (isRefusal(error)) this.#report(server, server.fail(error));
    void this.look();
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.servers.map((server) => server.end()));
  }

  #note(server: Server, failure: unknown): void {
    if (failure !== undefined) this.#report(server, server.fail(failure));
    this.#lead();
    const { seen } = server;
    if (!seen || failure !== undefined) return;
    if (server === this.primary) {
      this.#track.add(seen.position, seen.at);
      server.behind = this.#track.behind(seen.position);
      server.out = undefined;
    } else if (seen.standby) this.#report(server, server.judge(this.#track, this.leadership.timeline));
  }

  #lead(): void {
    const before = this.leadership;
    const claims = this.servers.map(({ name, seen, answers }) => {
      return { name, standby: seen?.standby, timeline: seen?.timeline ?? null, answers };
    });
    this.leadership = decide(before, claims);
    const { primary, timeline, fenced } = this.leadership;
    if (primary !== undefined && primary !== before.primary) {
      this.#track.clear();
      this.#tell("promoted", { from: before.primary, to: primary, timeline });
    }
    for (const name of fenced) {
      if (before.fenced.includes(name)) continue;
      const server = this.servers.find((each) => each.name === name)!;
      server.recoveries = 0;
      server.out = "it says that it is a primary, and it is not";
      this.#tell("fenced", { server: name, timeline: server.seen!.timeline, primary, primaryTimeline: timeline });
    }
  }

  #report(server: Server, change: "left" | "returned" | undefined): void {
    if (change === "left") this.#tell("left", { server: server.name, reason: server.out! });
    if (change === "returned") this.#tell("returned", { server: server.name });
  }
}
