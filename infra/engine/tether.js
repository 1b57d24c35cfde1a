// Loaded first into each process that the engine starts: where the engine is killed, its pipe closes and they end too.
// Without it a killed run would leave a provider behind that works on, unseen.
process.stdin.on("end", () => process.exit(1));
process.stdin.on("error", () => process.exit(1));
process.stdin.resume();
process.stdin.unref?.();
// An end in good order, so that what was compiled is kept for the next process.
process.on("SIGTERM", () => process.exit(143));
