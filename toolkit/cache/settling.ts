import type pg from "pg";

/** A client each of whose statements, where it leaves no transaction open, waits for `settle` before it returns. */
export function settling(client: pg.ClientBase, settle: () => Promise<void>): pg.ClientBase {
  async function settled(answer: Promise<unknown>): Promise<unknown> {
    try {
      return await answer;
    } finally {
      if (client.getTransactionStatus() !== "T") await settle();
    }
  }
  return new Proxy(client, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== "function") return value;
      if (name !== "query") return value.bind(target);
      return (...args: unknown[]) => {
        const answer = Reflect.apply(value, target, args) as unknown;
        // A cursor or a stream is no promise; what it writes is told within milliseconds, or after settle().
        return answer instanceof Promise ? settled(answer) : answer;
      };
    },
  });
}
