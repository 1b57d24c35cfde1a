import type pg from "pg";

/** A statement, as `pg` takes it, and two things more. */
export interface PoolQuery extends pg.QueryConfig {
  /**
   * It may be done twice: it only reads, or does no more the second time. Then it is also sent again where its
   * connection was lost before the answer came. Without this it is not: it may have been done.
   */
  retry?: boolean;
  /** Milliseconds to wait for its answer, instead of statementTimeout and answerGrace. */
  query_timeout?: number;
}

/** What is the pool's of a statement, and what is pg's. */
export function apart({ retry = false, ...statement }: PoolQuery) {
  return { retry, statement };
}
