import type * as pulumi from "@pulumi/pulumi";

/**
 * The provider of a dynamic resource, as a shell that never changes: each method loads `module` when it runs and
 * passes its arguments on. Pulumi serialises this object into the state (`__provider`), with everything it captures;
 * were the work in here, each edit would show as a difference in every stack, and delete would run old code.
 * So: no absolute path, no secret, and nothing of the toolkit in this function.
 *
 * @param module path from the project's root, which is the working folder of the provider's process
 */
export function dynamicProvider(module: string): pulumi.dynamic.ResourceProvider {
  async function implementation() {
    const { pathToFileURL } = await import("node:url");
    const { load } = await import(pathToFileURL("infra/load.js").href);
    return load(module);
  }
  return {
    check: async (olds, news) => (await implementation()).check(olds, news),
    diff: async (id, olds, news) => (await implementation()).diff(id, olds, news),
    create: async (inputs) => (await implementation()).create(inputs),
    read: async (id, props) => (await implementation()).read(id, props),
    update: async (id, olds, news) => (await implementation()).update(id, olds, news),
    delete: async (id, props) => (await implementation()).delete_(id, props),
  };
}
