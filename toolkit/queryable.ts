import type pg from "pg";

/** Whatever runs SQL: a client, a pool, or a client of a pool. */
export type Queryable = Pick<pg.ClientBase, "query">;
