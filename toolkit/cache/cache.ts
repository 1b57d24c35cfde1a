import type pg from "pg";
import type { Connection } from "../connection.ts";
import { createPool, type Pool, type PoolQuery } from "../pool/pool.ts";
import type { TransactionOptions } from "../pool/transaction.ts";
import type { Given, OptionTable } from "../queries/options.ts";
import { type Page, type Query, runQuery, statementOf } from "../queries/query.ts";
import { freezeAndWeigh } from "./freeze.ts";
import { Listener } from "./listener.ts";
import { type CacheLimits, resolveCacheLimits } from "./options.ts";
import { settling } from "./settling.ts";
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
 * never served from here. After query(), transaction() or withClient() of this object has returned, cached() serves
 * nothing that was true before their commits; after a commit by other means, once settle() has returned, and otherwise
 * within milliseconds. What fires no trigger (attached and detached partitions, a dropped trigger, a table renamed into
 * another's place) is seen at the next heartbeat; call invalidate() where that is too late.
 */
export class Cache {
  readonly #pool: Pool;
  readonly #ownsPool: boolean;
  readonly #store: Store;
  readonly #tables = new Tables();
  readonly #listener: Listener;
  readonly #ready: Promise<void>;
  #why: string | undefined = "it does not listen yet";
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
        resolve();
      },
      lost: (why) => {
        this.#why = why;
        this.#store.clear();
        this.#tables.forget();
      },
      heartbeat: async (session) => {
        if (await this.#tables.look(session)) this.#store.clear();
      },
    });
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

  /** As the pool's query(); when it returns, the cache serves nothing that was true before it. */
  readonly query: Pool["query"] = (async (query: string | PoolQuery, values?: unknown[]) => {
    try {
      return await this.#pool.query(query as PoolQuery, values);
    } finally {
      // Also after an error: a statement whose answer was lost may have been done.
      await this.settle();
    }
  }) as Pool["query"];

  /** As the pool's transaction(); when it returns, the cache serves nothing that was true before it. */
  async transaction<T>(work: (client: pg.ClientBase) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    try {
      return await this.#pool.transaction(work, options);
    } finally {
      if (!options.readOnly) await this.settle();
    }
  }

  /** As the pool's withClient(); whenever a statement of its client has committed, the cache serves nothing older. */
  withClient<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    return this.#pool.withClient((client) => work(settling(client, () => this.settle())));
  }

  /** Waits until the cache serves nothing that was true before the commits up to now, by whomever. One round trip. */
  settle(): Promise<void> {
    return this.#listener.settle();
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
    this.#listener.end();
    this.#store.clear();
    if (this.#ownsPool) await this.#pool.end();
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
