/**
 * What becomes of each of squawk's rules. Those not in the table, such as those of a later squawk, weigh by the
 * table's size.
 */

/** How much a hazard weighs. */
export type Weight =
  /** It blocks on a big table, and is a note on any other. */
  | "size"
  /** It does not work at all, or undoes what the runner guarantees: it blocks whatever the size. */
  | "always"
  /** Worth a line, never worth stopping. */
  | "never";

/** What a rule fears that a run on a copy of the schema can show not to happen. */
export type Fear = "rewrite" | "scan" | "index";

export interface Rule {
  weight: Weight;
  /** None of these happened on the copy: the rule was wrong about this statement. */
  fears?: readonly Fear[];
}

const anyFear: readonly Fear[] = ["rewrite", "scan", "index"];

/** @see https://squawkhq.com/docs/rules */
export const rules: Readonly<Record<string, Rule>> = {
  "require-concurrent-index-creation": { weight: "size", fears: ["index"] },
  "require-concurrent-index-deletion": { weight: "size" },
  "require-concurrent-reindex": { weight: "size" },
  "require-concurrent-partition-detach": { weight: "size" },
  "constraint-missing-not-valid": { weight: "size", fears: anyFear },
  "adding-foreign-key-constraint": { weight: "size", fears: anyFear },
  "adding-field-with-default": { weight: "size", fears: ["rewrite"] },
  "adding-not-nullable-field": { weight: "size", fears: ["rewrite", "scan"] },
  "adding-serial-primary-key-field": { weight: "size", fears: anyFear },
  "disallowed-unique-constraint": { weight: "size", fears: ["index"] },
  "changing-column-type": { weight: "size", fears: anyFear },
  "prefer-repack": { weight: "size", fears: ["rewrite"] },
  "transaction-nesting": { weight: "always" },
  "ban-uncommitted-transaction": { weight: "always" },
  "ban-drop-database": { weight: "always" },
  "identifier-too-long": { weight: "never" },
  // Squawk's parser may not know what the server knows.
  "syntax-error": { weight: "never" },
  // Ours; what a run on a copy of the schema shows is no guess any more.
  "update-without-where": { weight: "size" },
  "delete-without-where": { weight: "size" },
  "refresh-materialized-view": { weight: "size", fears: ["rewrite"] },
  "copies-whole-table": { weight: "size" },
  "concurrently-in-transaction": { weight: "always" },
  "detach-concurrently-with-default-partition": { weight: "always" },
  "rewrites-table": { weight: "size" },
  "scans-table": { weight: "size" },
  "builds-index": { weight: "size" },
};

const style = "It is a matter of style, and no danger for an application that runs.";
const runnerSetsTimeouts =
  "The runner sets lock_timeout for every transaction and tries again; where there is none it bounds the wait itself.";

/** Squawk's rules that are left out, and why. */
export const leftOut: Readonly<Record<string, string>> = {
  "require-lock-timeout": runnerSetsTimeouts,
  "require-statement-timeout": "A migration may take long; what may not is its wait for a lock, which has a limit.",
  "require-timeout-settings": runnerSetsTimeouts,
  "prefer-robust-stmts":
    "A transaction leaves nothing behind when it fails. Without one there is a single statement, and the runner finds out " +
    "whether it was done, and drops an invalid index.",
  "require-table-schema": "The runner sets the search path.",
  "prefer-text-field": style,
  "prefer-identity": style,
  "prefer-bigint-over-int": style,
  "prefer-bigint-over-smallint": style,
  "prefer-timestamp-tz": style,
  "ban-char-field": style,
  "require-enum-value-ordering": style,
  "ban-concurrent-index-creation-in-transaction":
    "Squawk misses a statement that is the only one; our rule concurrently-in-transaction covers every such statement.",
  "unused-ignore": "Squawk's own comments do not count here.",
};

/** Rules that say about the same clause what another one says better. */
export const saidBetterBy: Readonly<Record<string, readonly string[]>> = {
  "constraint-missing-not-valid": [
    "adding-foreign-key-constraint",
    "disallowed-unique-constraint",
    "adding-serial-primary-key-field",
  ],
};

/** How much a rule weighs, and what it fears. */
export function ruleOf(name: string): Rule {
  return Object.hasOwn(rules, name) ? rules[name]! : { weight: "size" };
}
