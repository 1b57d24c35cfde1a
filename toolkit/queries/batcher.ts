/** Loads one value a key; calls of one tick share one query. */
export interface Batcher<Key, Value> {
  load(key: Key): Promise<Value | undefined>;
}

/**
 * Replaces N+1 queries: every `load` of one tick of the event loop is gathered, and one call of `loadAll` answers all of them,
 * each key asked for once. It keeps nothing afterwards, so that it may live as long as the process.
 * @param loadAll gives the values by key; a key that is not in the map loads as undefined
 * @param most the most keys of one call; further ones go into calls of their own
 */
export function createBatcher<Key, Value>(
  loadAll: (keys: Key[]) => Promise<Map<Key, Value>>,
  most = 1_000,
): Batcher<Key, Value> {
  let waiting: Map<Key, PromiseWithResolvers<Value | undefined>> | undefined;

  async function flush(batch: Map<Key, PromiseWithResolvers<Value | undefined>>): Promise<void> {
    if (waiting === batch) waiting = undefined;
    try {
      const found = await loadAll([...batch.keys()]);
      for (const [key, { resolve }] of batch) resolve(found.get(key));
    } catch (error) {
      for (const { reject } of batch.values()) reject(error);
    }
  }

  return {
    load(key) {
      if (waiting && waiting.size >= most && !waiting.has(key)) waiting = undefined;
      if (!waiting) {
        const batch = new Map();
        waiting = batch;
        // After the promises that are settled already, whose continuations may load more.
        setImmediate(() => void flush(batch));
      }
      const known = waiting.get(key);
      if (known) return known.promise;
      const asked = Promise.withResolvers<Value | undefined>();
      waiting.set(key, asked);
      return asked.promise;
    },
  };
}
