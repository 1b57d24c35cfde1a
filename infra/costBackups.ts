import { type CostLine, dollars, number, text } from "./costLine.ts";
import { prices, type RegionPrices } from "./costPrices.ts";
import { isObject } from "./engine/wire.ts";
import { entries, instanceType, isReplica, known, type Resource } from "./policy/rule.ts";

/**
 * The share of the database that changes in a day: backups hold what changed, and AWS does not say beforehand how much
 * that will be. An assumption, which the estimate prints.
 */
const changedPerDay = 0.02;

const ifChanged = (gib: number) => `if all of ${gib} GiB are used and ${changedPerDay * 100} % of them change a day`;

/** RDS's own backups: as much as the storage is free; what a retention adds are the changes of its days. */
export function backupCost(what: string, props: Resource["props"], table: RegionPrices): CostLine {
  const [days, gib] = [number(props.backupRetentionPeriod), number(props.allocatedStorage)];
  if (days === undefined || gib === undefined) return { what, how: "the retention or the size is not known yet" };
  const charged = gib * changedPerDay * days;
  const how = `${days} days, ${ifChanged(gib)}: ${Math.round(charged)} GiB beyond the free ones × ${dollars(table.backup, 3)}`;
  return { what, how, monthly: charged * table.backup };
}

/** What the recovery points of an AWS Backup plan cost, and their copies in another region. */
export function planCost(plan: Resource, resources: readonly Resource[], region = "an unknown region"): CostLine[] {
  const what = `AWS Backup plan ${plan.name}`;
  const primaries = resources.filter((one) => one.type === instanceType && !isReplica(one));
  const gib = primaries.reduce((sum, { props }) => sum + (number(props.allocatedStorage) ?? 0), 0);
  const rules = entries(plan.props.rules);
  const ages = agesOf(rules);
  if (gib === 0 || !ages) return [{ what, how: "the size or the retention is not known yet" }];
  const kept = gib * sharesKept(ages);
  const line = (title: string, place: string): CostLine => {
    const price = prices[place]?.backup;
    if (!price) return { what: title, how: `no prices of ${place} in the table` };
    const how = `${ages.length} recovery points, ${ifChanged(gib)}: ${Math.round(kept)} GiB × ${dollars(price, 3)}`;
    return { what: title, how, monthly: kept * price };
  };
  if (!rules.some((rule) => entries(rule.copyActions).length > 0)) return [line(what, region)];
  const place = copyRegion(plan, resources, region);
  return [line(what, region), line(`copies of its backups in ${place}`, place)];
}

/** The region of the vault that copies go to: the plan's own where the vault does not name another. */
function copyRegion(plan: Resource, resources: readonly Resource[], region: string): string {
  const sources = plan.propertyDependencies.rules ?? [];
  const vaults = resources.filter(({ type, urn }) => type === "aws:backup/vault:Vault" && sources.includes(urn));
  const regions = vaults.flatMap(({ props }) => text(props.region) ?? []);
  return regions.find((one) => one !== region) ?? region;
}

/** Ages in days of the recovery points that a plan keeps, the youngest first; undefined where a rule is not known. */
function agesOf(rules: readonly Record<string, unknown>[]): number[] | undefined {
  const ages = new Set<number>();
  for (const rule of rules) {
    const [every, lifecycle] = [daysBetween(text(rule.schedule)), known(rule.lifecycle)];
    const days = isObject(lifecycle) ? number(lifecycle.deleteAfter) : undefined;
    if (every === undefined || days === undefined) return undefined;
    for (let age = 0; age < days; age += every) ages.add(age);
  }
  return ages.size > 0 ? [...ages].sort((one, other) => one - other) : undefined;
}

/**
 * Days between the runs of a schedule.
 * @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html#eb-cron-expressions
 */
function daysBetween(schedule: string | undefined): number | undefined {
  const [, , dayOfMonth, , dayOfWeek] = /^cron\((.+)\)$/.exec(schedule ?? "")?.[1]?.split(/\s+/) ?? [];
  if (dayOfMonth === undefined || dayOfWeek === undefined) return undefined;
  if (/^\w+$/.test(dayOfWeek)) return 7;
  if (/^\w+$/.test(dayOfMonth)) return 30;
  return /^[*?]$/.test(dayOfMonth) && /^[*?]$/.test(dayOfWeek) ? 1 : undefined;
}

/** The oldest point is whole, each later one holds what changed since the one before: as a multiple of the database. */
function sharesKept(ages: readonly number[]): number {
  return ages.slice(1).reduce((sum, age, index) => sum + 1 - (1 - changedPerDay) ** (age - ages[index]!), 1);
}
