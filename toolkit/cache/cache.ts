import type pg from "pg";
import type { Connection } from "../connection.ts";
import { createPool, type Pool } from "../pool/pool.ts";
import { nameWritingFunctions, onWritten } from "../pool/writes.ts";
import type { Given, OptionTable } from "../queries/options.ts";
import { type Page, type Query, runQuery, statementOf } from "../queries/query.ts";
import { freezeAndWeigh } from "./freeze.ts";
import { readWritingFunctions } from "./functions.ts";
import { Listener } from "./listener.ts";
import { type CacheLimits, resolveCacheLimits } from "./options.ts";
import { Store } from "./store.ts";
import { Tables } from "./tables.ts";

/** How a cache behaves. What is left out has the default of `cacheOptions`. */
export interface CacheOptions extends Partial<CacheLimits> {
  /** Where it asks: connections to the same primary; one of its own where left out. */
  pool?: Pool;
}

/** What a cache did since it was made. */
export interface CacheStatus {
  /** bypassing: nothing is served from the cache, for changes may be missed. */
  state: "listening" | "bypassing";
  /** Why it bypasses; undefined while it listens. */
  why: string | undefined;
  /** Requests served from the cache. */
  hits: number;
  /** Requests that asked the database, and whose result was to be kept. */
  misses: number;
  /** Requests that waited for the answer to another one. */
  shared: number;
  /** Requests that asked the database because it was bypassing, or because a table is not watched. */
  bypassed: number;
  entries: number;
  /** Of memory, estimated. */
  bytes: number;
  /** Results that were forgotten because a table changed, or the listener was lost. */
  invalidations: number;
  /** Results that were forgotten because there was no room. */
  evictions: number;
}

/**
 * Results of queries, kept in this process until one of their tables changes. Made by {@link createCache}.
 *
 * The database says what changed, whoever wrote it: the tables must be watched (watch.ts); a query of one that is not is
 * never served from here.
 *
 * What was committed in this process through any of its pools or routers is known at once: from then on cached() serves
 * nothing that was true before. The first read after a write asks the listener whether all is announced, in one empty
 * query that reads share; without a write nothing is asked. A pool knows a write by the server's command tag, by
 * `with … insert`, and by the names of volatile functions, for those of a SELECT have no tag. It does not know a write
 * by a function that a view or another function hides, and none by a client that is no pool's: call wrote() after it, or
 * it is seen when it is announced, within milliseconds, as is what other processes write. A volatile function that only
 * reads costs that query: declare it stable.
 *
 * What fires no trigger (a trigger that is dropped, a table that is renamed into another's place, a partition that is
 * attached or detached) is seen at once where a pool of this process did it, and otherwise at the next heartbeat; call
 * invalidate() where that is too late.
 */
export class Cache {
  readonly #pool: Pool;
  readonly #ownsPool: boolean;
  readonly #store: Store;
  readonly #tables = new Tables();
  readonly #listener: Listener;
  readonly #ready: Promise<void>;
  readonly #deafen: () => void;
  #why: string | undefined = "it does not listen yet";
  /** Writes of this process, and how many of them are known to be announced. */
  #writes = { known: 0, announced: 0, definitions: false };
  #counts = { hits: 0, misses: 0, shared: 0, bypassed: 0 };

  constructor(connection: Connection, options: CacheOptions) {
    const limits = resolveCacheLimits(options);
    this.#store = new Store(limits);
    this.#ownsPool = !options.pool;
    this.#pool = options.pool ?? createPool(connection, { applicationName: "cache" });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ready = promise;
    this.#listener = new Listener(connection, limits, {
      changed: (tag) => this.#store.invalidate(tag),
      listening: () => {
        this.#why = undefined;
        void this.#listener.ask((session) => this.#inspect(session)).then(resolve);
      },
      lost: (why) => {
        this.#why = why;
        this.#store.clear();
        this.#tables.forget();
      },
      heartbeat: (session) => this.#inspect(session),
    });
    this.#deafen = onWritten(({ definitions }) => this.#noteWrite(definitions));
  }

  /**
   * Waits until it listens; before, it asks the database each time. It keeps trying: what is in its way,
   * getCacheStatus() tells.
   */
  ready(): Promise<void> {
    return this.#ready;
  }

  /**
   * Answers a query from the cache, or from the database. The rows are frozen: others get the same ones.
   * @throws UserError for options that are not accepted, and what the pool throws
   */
  async cached<Table extends OptionTable, Row extends object>(
    query: Query<Table, Row>,
    given: Given<Table>,
  ): Promise<Readonly<Page<Readonly<Row>>>> {
    const { name, values } = statementOf(query, given);
    const key = JSON.stringify([name, values]);
    const load = () => runQuery(this.#pool, query, given);
    if (this.#writes.known > this.#writes.announced) await this.#catchUp();
    let tags = this.#tables.tagsOf(query.tables);
    if (tags === undefined) {
      await this.#listener.ask((session) => this.#tables.look(session, query.tables));
      tags = this.#tables.tagsOf(query.tables);
    }
    // From here on without a pause: what is known of the listener stays true until the flight is in the list.
    if (!tags || !this.#listener.session) {
      this.#counts.bypassed += 1;
      const page = await load();
      freezeAndWeigh(page);
      return page;
    }
    const kept = this.#store.get(key);
    const found = kept ?? this.#store.inFlight(key);
    this.#counts[kept ? "hits" : found ? "shared" : "misses"] += 1;
    return (found ?? this.#store.load(key, tags, load)) as Promise<Page<Row>>;
  }

  /**
   * Tells of a commit that no pool of this process saw: from now on cached() serves nothing that was true before it.
   * Nothing is waited for here; the next read asks.
   */
  wrote(): void {
    this.#noteWrite(true);
  }

  /** Forgets what came from these tables, or everything: for changes that fire no trigger. */
  invalidate(...names: string[]): void {
    const tags = names.length > 0 ? this.#tables.tagsOf(names) : undefined;
    if (tags) for (const tag of tags) this.#store.invalidate(tag);
    else this.#store.clear();
  }

  /** Figures since it was made. */
  getCacheStatus(): CacheStatus {
    const { entries, bytes, invalidations, evictions } = this.#store;
    const state = this.#listener.session ? "listening" : "bypassing";
    return { state, why: this.#why, ...this.#counts, entries, bytes, invalidations, evictions };
  }

  /** Forgets everything and stops listening; a pool of its own is ended too. */
  async end(): Promise<void> {
    this.#deafen();
    this.#listener.end();
    this.#store.clear();
    if (this.#ownsPool) await this.#pool.end();
  }

  #noteWrite(definitions: boolean): void {
    this.#writes.known += 1;
    this.#writes.definitions ||= definitions;
  }

  /** Waits until all is announced that was committed in this process before this call. */
  async #catchUp(): Promise<void> {
    const { known, definitions } = this.#writes;
    this.#writes.definitions = false;
    // Whoever comes meanwhile waits behind it: the listener answers one after the other.
    await (definitions ? this.#listener.ask((session) => this.#inspect(session)) : this.#listener.settle());
    this.#writes.announced = Math.max(this.#writes.announced, known);
  }

  /** Looks whether the tables are announced as before, and which functions write. */
  async #inspect(session: pg.ClientBase): Promise<void> {
    nameWritingFunctions(await readWritingFunctions(session));
    if (await this.#tables.look(session)) this.#store.clear();
  }
}

/**
 * Makes a cache. It begins at once to listen and needs no waiting for. The listener is a session of its own, directly to
 * the primary: PgBouncer in transaction mode loses LISTEN, and a replica lags behind what is announced.
 * @throws UserError when a number of the options is none
 */
export function createCache(connection: Connection, options: CacheOptions = {}): Cache {
  return new Cache(connection, options);
}
