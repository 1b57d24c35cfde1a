import { type CostLine, dollars, number, text } from "./costLine.ts";
import { hoursPerMonth, imageStorage, ownMetric, prices } from "./costPrices.ts";
import { imagesKept } from "./operator/repository.ts";
import { gapsOf, runsPerMonth } from "./operator/schedule.ts";
import { known, type Resource } from "./policy/rule.ts";

/**
 * Minutes of a run, by the last word of its schedule's name. Metrics take some seconds, and a minute is the least that is
 * billed; how long maintenance takes depends on the database: an assumption, which the estimate prints.
 */
const minutesOf: Record<string, number> = { metrics: 1, maintenance: 15 };

/** Maintenance tells one metric of its own, a snapshot those of toolkit/metrics that have a name for CloudWatch; a test counts them. */
const metricsSent = 16;

/** GiB of an image as it is stored, compressed; the layers below it are the same in each. */
const imageSize = 0.15;

const types = {
  schedule: "aws:scheduler/schedule:Schedule",
  task: "aws:ecs/taskDefinition:TaskDefinition",
  endpoint: "aws:ec2/vpcEndpoint:VpcEndpoint",
  repository: "aws:ecr/repository:Repository",
};

/** What it costs to keep house: containers by the clock, the way to AWS that they take, metrics and images. */
export function operatorCosts(resources: readonly Resource[], region = "an unknown region"): CostLine[] {
  const of = (type: string) => resources.filter((resource) => resource.type === type);
  const schedules = of(types.schedule);
  return [
    ...schedules.map((schedule) => runsCost(schedule, of(types.task), region)),
    ...endpointCost(of(types.endpoint), region),
    ...(schedules.some(({ name }) => name.endsWith("-metrics"))
      ? [{ what: "own metrics", how: `${metricsSent} × ${dollars(ownMetric)}`, monthly: metricsSent * ownMetric }]
      : []),
    ...of(types.repository).map(({ name }) => ({
      what: `images of ${name}`,
      how: `${imagesKept} of ${imageSize} GiB at most × ${dollars(imageStorage)}`,
      monthly: imagesKept * imageSize * imageStorage,
    })),
  ];
}

/** What the task of a schedule costs: its size by the time that it runs. */
function runsCost(schedule: Resource, tasks: Resource[], region: string): CostLine {
  const what = `runs of ${schedule.name}`;
  const price = prices[region]?.fargate;
  if (!price) return { what, how: `no prices of ${region} in the table` };
  const task = tasks.find(({ urn }) => schedule.propertyDependencies.target?.includes(urn));
  const [cpu, memory] = [number(task?.props.cpu), number(task?.props.memory)];
  const gaps = gapsOf(text(schedule.props.scheduleExpression) ?? "");
  const minutes = minutesOf[schedule.name.split("-").at(-1)!];
  if (!cpu || !memory || !gaps || !minutes) return { what, how: "their size or their number is not known yet" };
  const [vcpus, gib, runs] = [cpu / 1024, memory / 1024, runsPerMonth(gaps)];
  const hourly = vcpus * price.vcpu + gib * price.gib;
  const how = `${Math.round(runs)} on Fargate, ${vcpus} vCPU and ${gib} GiB, ${dollars(hourly, 4)} an hour, if each takes ${minutes} min`;
  return { what, how, monthly: (runs * minutes * hourly) / 60 };
}

/** Interface endpoints cost by the hour and zone; gateways nothing. */
function endpointCost(endpoints: Resource[], region: string): CostLine[] {
  const zones = endpoints
    .filter(({ props }) => known(props.vpcEndpointType) === "Interface")
    .map(({ props }) => known(props.subnetIds))
    .reduce<number>((sum, subnets) => sum + (Array.isArray(subnets) ? subnets.length : 1), 0);
  if (zones === 0) return [];
  const what = "endpoints of AWS in the VPC";
  const price = prices[region]?.endpoint;
  if (!price) return [{ what, how: `no prices of ${region} in the table` }];
  return [
    { what, how: `${zones} × ${dollars(price, 3)} an hour × ${hoursPerMonth}`, monthly: zones * price * hoursPerMonth },
  ];
}
