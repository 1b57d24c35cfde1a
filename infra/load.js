/**
 * Loads a module of the project by its path from the project's root. Plain JavaScript, because a `pulumi` typed
 * outside npm's scripts may start a Node that does not run TypeScript by itself (before 22.18): there tsx helps.
 *
 * @param {string} path such as "toolkit/migrate/resource.ts"
 * @returns {Promise<any>} the module
 */
export async function load(path) {
  if (!process.features.typescript) (await import("tsx/esm/api")).register();
  return import(new URL(`../${path}`, import.meta.url).href);
}
