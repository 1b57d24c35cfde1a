import { registerHooks } from "node:module";

// Loaded into each process that the engine starts. Pulumi's SDK loads two large packages at its start that it may never
// use: npm's package manager, to pack functions for a cloud, and TypeScript, to read functions. They are half of what a
// start takes. This way each is loaded when it is used.
const lazy = {
  "/@npmcli/arborist/lib/index.js":
    'module.exports = { __esModule: true, get Arborist() { return require("./arborist/index.js"); } };',
  "/@pulumi/pulumi/typescript-shim.js":
    'let ts; module.exports = new Proxy({}, { get: (_, name) => (ts ??= require("typescript"))[name] });',
};

registerHooks({
  load(url, context, next) {
    const found = Object.keys(lazy).find((path) => url.endsWith(path));
    return found ? { format: "commonjs", source: lazy[found], shortCircuit: true } : next(url, context);
  },
});
