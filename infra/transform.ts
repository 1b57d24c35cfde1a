import type { Transforms } from "./server/rds/children.ts";

/**
 * What this project changes of the resources on AWS, beyond what the configuration offers: a function for a kind of
 * resource gets the arguments, the options and the name of each, and changes them in place. The kinds are listed in
 * server/rds/children.ts.
 * @example { instance: (args) => { args.networkType = "DUAL"; } }
 */
export const transform: Transforms = {};
