import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

// Not imported: to name what an `import` offers, Node loads every module of a package, and these have hundreds, most of
// which they would load only when used. So each `up` of a stack without AWS would wait for them, too.

/** Pulumi's SDK for AWS; loaded when it is first asked for. */
export const aws = () => require("@pulumi/aws") as typeof import("@pulumi/aws");

/** Pulumi's SDK for the inside of a PostgreSQL; loaded when it is first asked for. */
export const postgresql = () => require("@pulumi/postgresql") as typeof import("@pulumi/postgresql");
