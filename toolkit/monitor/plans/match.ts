import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import type { LoggedPlan } from "./entries.ts";
import { type Plan, readPlan } from "./plan.ts";

await loadModule();

/** A statement as pg_stat_statements counts it. */
export interface CountedStatement {
  queryId: string;
  query: string;
}

/** The newest plan of a statement in the log. */
export interface FoundPlan {
  logged: LoggedPlan;
  plan: Plan;
}

/**
 * Finds the newest plan of each statement: by its number where the log has it, and otherwise by its text, the values
 * left out.
 * @returns the plans by the statement's number, and how many in the log could not be read
 */
export function matchPlans(
  logged: readonly LoggedPlan[],
  statements: readonly CountedStatement[],
): { plans: Map<string, FoundPlan>; unread: number } {
  const plans = new Map<string, FoundPlan>();
  const prints = new Map(statements.map(({ queryId, query }) => [queryId, printOf(query)]));
  let unread = 0;
  for (const one of logged.toReversed()) {
    if (plans.size === prints.size) break;
    const plan = readPlan(one.body);
    if (!plan) unread++;
    const queryId = plan && statementOf(plan, one, prints);
    if (queryId && !plans.has(queryId)) plans.set(queryId, { logged: one, plan });
  }
  return { plans, unread };
}

function statementOf(plan: Plan, logged: LoggedPlan, prints: Map<string, string | undefined>): string | undefined {
  const print = printOf(plan.query);
  const byText = () => (print === undefined ? undefined : [...prints].find(([, known]) => known === print)?.[0]);
  const given = plan.queryId ?? logged.queryId;
  if (given === null || !prints.has(given)) return plan.queryId === null ? byText() : undefined;
  // A line of the log has the number of what the client sent, also where the plan is that of a statement in a function.
  const known = prints.get(given);
  const isItself = plan.queryId !== null || print === undefined || known === undefined || known === print;
  return isItself || isSeveral(plan.query) ? given : byText();
}

function printOf(query: string): string | undefined {
  try {
    return fingerprintSync(query);
  } catch {
    return undefined;
  }
}

function isSeveral(query: string): boolean {
  try {
    return (parseSync(query).stmts?.length ?? 0) > 1;
  } catch {
    return false;
  }
}
