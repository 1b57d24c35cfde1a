import { EventEmitter } from "node:events";
import type pg from "pg";
import { isWorthRepeating } from "../pool/failures.ts";
import type { TransactionOptions } from "../pool/transaction.ts";
import { type Candidate, choose } from "./choose.ts";
import { Fleet, type FleetEvents } from "./fleet.ts";
import { type RouterLimits, type RouterOptions, resolveLimits } from "./options.ts";
import { isLost, noPrimary, onPrimary, type Work } from "./primary.ts";
import type { Server, ServerConfig } from "./server.ts";
import { endOfLog, Session, waitForReplay } from "./session.ts";
import { type RouterStatus, statusOf } from "./status.ts";

export interface RouterConfig extends RouterOptions {
  /** Who is the primary at first; a promotion is followed. */
  primary: Omit<ServerConfig, "name"> & { name?: string };
  replicas: ServerConfig[];
}

export interface ReadOptions {
  /** The read sees what this session has written. */
  session?: Session | undefined;
  /**
   * Milliseconds: the read sees all that was committed longer ago. A replica's lag is known to the probeInterval only,
   * so that less than that means the primary.
   */
  maxLag?: number | undefined;
}

type Query = string | pg.QueryConfig;

/** How often reads went where, since the router was made. */
export interface ReadCounts {
  replica: number;
  primary: number;
  /** Of those on the primary: the replica did not have the session's writes in time. */
  behind: number;
  /** Attempts that failed on a server that went away, and were made elsewhere. */
  elsewhere: number;
}

/** Sends reads to replicas and writes to the primary. Made by {@link createRouter}. */
export class Router extends EventEmitter<FleetEvents> {
  readonly limits: RouterLimits;
  readonly #fleet: Fleet;
  readonly #counts: ReadCounts = { replica: 0, primary: 0, behind: 0, elsewhere: 0 };

  constructor({ primary, replicas, ...options }: RouterConfig) {
    super();
    this.limits = resolveLimits(options);
    const servers = [{ name: "primary", weight: 0, ...primary }, ...replicas.map((each) => ({ weight: 1, ...each }))];
    this.#fleet = new Fleet(servers, options, this.limits, (name, event) =>
      process.nextTick(() => (this as EventEmitter).emit(name, event)),
    );
  }

  /** Waits until every server was asked once. @throws UserError when none of them is a primary */
  async ready(): Promise<void> {
    await this.#fleet.look();
    if (!this.#fleet.primary) throw noPrimary(0);
  }

  /** A new session; each of its reads sees all of its writes. @param after the `lsn` of one elsewhere */
  session(after?: string): Session {
    return new Session(after);
  }

  /**
   * Runs one statement that only reads, on a replica where one can answer in time. It is repeated elsewhere when its
   * server is lost, or cancels it for the sake of replay.
   * @throws UserError when no server is there, and what the statement throws
   */
  read(query: Query, options: ReadOptions & { values?: unknown[] } = {}): Promise<pg.QueryResult> {
    const { values, ...where } = options;
    return this.#read((client) => run(client, query, values), where, true);
  }

  /** Lends `work` a connection to read with, for several statements; it is not repeated. @throws as {@link read} */
  readWith<T>(work: (client: pg.ClientBase) => Promise<T>, options: ReadOptions = {}): Promise<T> {
    return this.#read(work, options, false);
  }

  /**
   * Runs one statement on the primary. While there is none it waits, up to primaryWait; a statement that was on its way
   * when the primary was lost may have been done, and is not repeated.
   * @throws UserError when there is no primary, and what the statement throws
   */
  write(query: Query, options: { session?: Session | undefined; values?: unknown[] } = {}): Promise<pg.QueryResult> {
    const { session, values } = options;
    return this.#write(session, (server, begin) =>
      server.pool.withClient(async (client) => {
        begin();
        const result = await run(client, query, values);
        if (session) await noteEnd(session, client);
        return result;
      }),
    );
  }

  /**
   * Runs `work` in a transaction on the primary, and all of it again after a serialization failure or a deadlock.
   * @throws as {@link write}
   */
  transaction<T>(
    work: (client: pg.ClientBase) => Promise<T>,
    options: TransactionOptions & { session?: Session | undefined } = {},
  ): Promise<T> {
    const { session, ...how } = options;
    return this.#write(session, async ({ pool }, begin) => {
      const result = await pool.transaction((client) => {
        begin();
        return work(client);
      }, how);
      // After the commit any connection will do: the log of this server does not end before it.
      if (session) await noteEnd(session, pool);
      return result;
    });
  }

  /** How the servers are, who is the primary, and where reads went. */
  status(): RouterStatus {
    return statusOf(this.#fleet, this.#counts);
  }

  /** Serves who has already asked, and closes. */
  end(): Promise<void> {
    return this.#fleet.end();
  }

  async #read<T>(work: (client: pg.ClientBase) => Promise<T>, options: ReadOptions, repeatable: boolean): Promise<T> {
    const tried = new Set<Server>();
    const position = options.session?.position ?? 0n;
    for (;;) {
      const server = this.#chooseReplica(options, tried);
      if (!server) break;
      tried.add(server);
      let begun = false;
      try {
        const answer = await server.pool.withClient(async (client) => {
          if (!(await waitForReplay(client, position, this.limits.replayWait))) return undefined;
          begun = true;
          return { value: await work(client) };
        });
        if (answer) {
          this.#counts.replica += 1;
          return answer.value;
        }
        this.#counts.behind += 1;
        break;
      } catch (error) {
        const lost = isLost(error);
        if (lost) this.#fleet.suspect(server, error);
        // 40001: the statement stood in the way of replay (https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT).
        if ((begun && !repeatable) || !(lost || isWorthRepeating(error))) throw error;
        this.#counts.elsewhere += 1;
      }
    }
    this.#counts.primary += 1;
    return onPrimary(this.#fleet, this.limits, (server, begin) =>
      server.pool.withClient((client) => {
        if (!repeatable) begin();
        return work(client);
      }),
    );
  }

  #chooseReplica({ session, maxLag = Number.POSITIVE_INFINITY }: ReadOptions, tried: Set<Server>): Server | undefined {
    if (session?.uncertain) return undefined;
    const now = performance.now();
    const fresh = this.#fleet.readers().filter(({ behind }) => now - (behind?.reachedAt ?? 0) <= maxLag);
    const left = fresh.filter((server) => !tried.has(server));
    // Those that are known to have the session's writes need no waiting.
    const there = left.filter(({ seen }) => session && seen && seen.position >= session.position);
    return choose<Server & Candidate>(there.length > 0 ? there : left, this.limits);
  }

  async #write<T>(session: Session | undefined, work: Work<T>): Promise<T> {
    try {
      return await onPrimary(this.#fleet, this.limits, work);
    } catch (error) {
      if (session) session.uncertain = true;
      throw error;
    }
  }
}

function run(client: pg.ClientBase, query: Query, values: unknown[] | undefined): Promise<pg.QueryResult> {
  const config = typeof query === "string" ? { text: query } : query;
  return client.query({ ...config, ...(values && { values }) });
}

/** The write is done, whatever happens now. */
async function noteEnd(session: Session, client: Pick<pg.ClientBase, "query">): Promise<void> {
  try {
    session.wrote(await endOfLog(client));
  } catch {
    session.uncertain = true;
  }
}

/**
 * Makes a router, and a pool for each server. It begins at once to ask the servers what they are; await its ready() to
 * hear whether there is a primary.
 * @throws UserError when the options or the names contradict each other
 */
export function createRouter(config: RouterConfig): Router {
  return new Router(config);
}
