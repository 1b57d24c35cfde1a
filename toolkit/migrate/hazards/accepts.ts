/** Why a migration may do what a rule warns of, by the rule's name. */
export type Acceptances = Readonly<Record<string, string>>;

const comment = /^[ \t]*--[ \t]*accepts[ \t]+([^\s:]+)[ \t]*:?[ \t]*(.*)$/gm;

/** The acceptances in a migration's SQL: lines such as `-- accepts ban-drop-column: nothing reads it since 2.3`. */
export function acceptancesInSql(text: string): Acceptances {
  return Object.fromEntries([...text.matchAll(comment)].map(([, rule, reason]) => [rule!, reason!.trim()]));
}

/**
 * What is wrong with acceptances, as a whole sentence.
 * @param accepts what a migration exports under that name, whatever it is
 */
export function acceptanceProblem(accepts: unknown): string | undefined {
  if (accepts === undefined) return undefined;
  if (typeof accepts !== "object" || accepts === null || Array.isArray(accepts))
    return "What it exports as `accepts` is not an object of rules and reasons.";
  const empty = Object.entries(accepts).find(([, reason]) => typeof reason !== "string" || reason.trim() === "");
  return empty && `It accepts ${empty[0]} without a reason.`;
}
