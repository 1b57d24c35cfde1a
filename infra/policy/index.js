import { load } from "../load.js";

// What Pulumi runs (`main` of package.json): the pack itself is pack.ts. Not awaited, for Pulumi's launcher loads this
// file with require(), which refuses a module that waits at its top level.
export const pack = load("infra/policy/pack.ts");
