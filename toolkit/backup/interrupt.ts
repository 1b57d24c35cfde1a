/**
 * Runs `work`, and `cleanUp` after it; also when Ctrl-C or SIGTERM ends this process in between, which then has the exit code
 * that belongs to the signal. For what would otherwise run on, or cost money, with nobody to end it.
 */
export async function cleaningUp<T>(work: () => Promise<T>, cleanUp: () => Promise<void>): Promise<T> {
  let interrupted = false;
  const codes = { SIGINT: 130, SIGTERM: 143 } as const;
  const handlers = Object.entries(codes).map(([signal, code]) => {
    const handler = () => {
      interrupted = true;
      void cleanUp().finally(() => process.exit(code));
    };
    process.once(signal, handler);
    return () => process.off(signal, handler);
  });
  try {
    return await work();
  } finally {
    // What fails because its server is taken away under it is no news: the process ends at any moment.
    if (interrupted) await new Promise(() => {});
    for (const remove of handlers) remove();
    await cleanUp();
  }
}
