import "./compileCache.ts";

// Not a static import, which would be compiled before the cache is there.
await import("./commandLine.ts");
