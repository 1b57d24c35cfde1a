import { backupCost, planCost } from "./costBackups.ts";
import { type CostLine, dollars, number, text } from "./costLine.ts";
import { operatorCosts } from "./costOperator.ts";
import {
  advancedInsights,
  flatPrices,
  gp3Baseline,
  hoursPerMonth,
  managedSecret,
  multiAzFactor,
  prices,
  type RegionPrices,
  vcpusOf,
} from "./costPrices.ts";
import { instanceType, isReplica, known, type Resource } from "./policy/rule.ts";

export interface Estimate {
  lines: CostLine[];
  /** The sum of what is known, US dollars a month. */
  total: number;
  /** Whether a line is without an amount, so that the total is too low. */
  incomplete: boolean;
}

/**
 * Estimates what a stack costs a month: instances, their storage, backups, what keeps house, and what has a flat price.
 * Traffic, requests and logs depend on use and are left out.
 * @param region the stack's region; a resource with one of its own is priced there
 */
export function estimateCost(resources: readonly Resource[], region: string | undefined): Estimate {
  const lines = [
    ...resources
      .filter(({ type }) => type === instanceType)
      .flatMap((instance) => instanceCost(withStorage(instance, resources), text(instance.props.region) ?? region)),
    ...resources
      .filter(({ type }) => type === "aws:backup/plan:Plan")
      .flatMap((plan) => planCost(plan, resources, region)),
    ...operatorCosts(resources, region),
    ...flatCosts(resources),
  ];
  return {
    lines,
    total: lines.reduce((sum, { monthly = 0 }) => sum + monthly, 0),
    incomplete: lines.some(({ monthly }) => monthly === undefined),
  };
}

/** A replica has the storage of its source, unless it says otherwise. */
function withStorage(instance: Resource, resources: readonly Resource[]): Resource {
  if (!isReplica(instance) || instance.props.allocatedStorage !== undefined) return instance;
  const primaries = resources.filter((one) => one.type === instanceType && !isReplica(one));
  const source = primaries.find(({ urn, props }) => {
    const [asked, identifier] = [text(instance.props.replicateSourceDb), text(props.identifier)];
    // By identifier in its own region, by ARN from another one.
    if (asked && identifier) return asked === identifier || asked.endsWith(`:db:${identifier}`);
    return instance.propertyDependencies.replicateSourceDb?.includes(urn);
  });
  const { allocatedStorage, storageType, iops, storageThroughput } = source?.props ?? {};
  return { ...instance, props: { allocatedStorage, storageType, iops, storageThroughput, ...instance.props } };
}

function instanceCost(instance: Resource, region = "an unknown region"): CostLine[] {
  const { props, name } = instance;
  const table = prices[region];
  const factor = known(props.multiAz) === true ? multiAzFactor : 1;
  const title = `${isReplica(instance) ? "replica" : "instance"} ${name}`;
  if (!table) return [{ what: title, how: `no prices of ${region} in the table` }];
  return [
    classCost(title, text(props.instanceClass), table, factor),
    ...storageCost(`storage of ${name}`, props, table, factor),
    ...(isReplica(instance) ? [] : [backupCost(`backups of ${name}`, props, table)]),
    ...(known(props.databaseInsightsMode) === "advanced"
      ? [insightsCost(`Database Insights of ${name}`, text(props.instanceClass), table)]
      : []),
    ...(known(props.manageMasterUserPassword) === true
      ? [{ what: `password of ${name}`, how: "a secret that RDS manages", monthly: managedSecret }]
      : []),
  ];
}

const twice = (factor: number) => (factor === multiAzFactor ? `, × ${multiAzFactor} for Multi-AZ` : "");

function classCost(what: string, name: string | undefined, table: RegionPrices, factor: number): CostLine {
  const hourly = name && table.instance[name.replace(/^db\./, "")];
  if (!hourly) return { what, how: `class ${name ?? "unknown"}: not in the table` };
  const how = `${name}, ${dollars(hourly, 3)} an hour × ${hoursPerMonth}${twice(factor)}`;
  return { what, how, monthly: hourly * hoursPerMonth * factor };
}

function insightsCost(what: string, name: string | undefined, table: RegionPrices): CostLine {
  if (!name || !table.instance[name.replace(/^db\./, "")])
    return { what, how: `class ${name ?? "unknown"}: not in the table` };
  const vcpus = vcpusOf(name);
  const how = `advanced mode, ${vcpus} vCPUs × ${dollars(advancedInsights, 4)} an hour × ${hoursPerMonth}`;
  return { what, how, monthly: vcpus * advancedInsights * hoursPerMonth };
}

function storageCost(what: string, props: Resource["props"], table: RegionPrices, factor: number): CostLine[] {
  const [type, gib] = [text(props.storageType) ?? "gp2", number(props.allocatedStorage)];
  if (gib === undefined) return [{ what, how: "its size is not known yet" }];
  const price = table.storage[type];
  if (!price) return [{ what, how: `storage type ${type}: not in the table` }];
  const base = {
    what,
    how: `${gib} GiB ${type} × ${dollars(price, 3)}${twice(factor)}`,
    monthly: gib * price * factor,
  };
  const included = type === "gp3" ? gp3Baseline(gib) : { iops: 0, throughput: Number.POSITIVE_INFINITY };
  const extra: [string, number, number][] = [
    ["IOPS", (number(props.iops) ?? 0) - included.iops, table.iops[type] ?? 0],
    ["MiB/s", (number(props.storageThroughput) ?? 0) - included.throughput, table.throughput],
  ];
  return [
    base,
    ...extra
      .filter(([, amount, price]) => amount > 0 && price > 0)
      .map(([unit, amount, price]) => ({
        what: `${unit} of ${what}`,
        how: `${amount} above what is included × ${dollars(price, 3)}${twice(factor)}`,
        monthly: amount * price * factor,
      })),
  ];
}

function flatCosts(resources: readonly Resource[]): CostLine[] {
  return Object.entries(flatPrices).flatMap(([type, { what, price }]) => {
    const amount = resources.filter((resource) => resource.type === type).length;
    return amount === 0 ? [] : [{ what, how: `${amount} × ${dollars(price)}`, monthly: amount * price }];
  });
}
