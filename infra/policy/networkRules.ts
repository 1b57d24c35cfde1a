import { entries, isUnknown, known, type Resource, type Rule } from "./rule.ts";

/** A range that is the whole internet, however it is written: 0.0.0.0/0, ::/0, 0::0/00. */
const isWorld = (range: unknown): range is string => typeof range === "string" && /^[0:.]+\/0+$/.test(range);

const ranges = (value: unknown): unknown[] => {
  const list = known(value);
  return (Array.isArray(list) ? list : [list]).map(known);
};

/** For each type that lets traffic in, the ranges from which it does. */
const inbound: Record<string, (resource: Resource) => unknown[]> = {
  "aws:ec2/securityGroup:SecurityGroup": ({ props }) =>
    entries(props.ingress).flatMap((rule) => [...ranges(rule.cidrBlocks), ...ranges(rule.ipv6CidrBlocks)]),
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": ({ props }) =>
    entries(props.ingress).flatMap((rule) => [...ranges(rule.cidrBlocks), ...ranges(rule.ipv6CidrBlocks)]),
  "aws:ec2/securityGroupRule:SecurityGroupRule": ({ props }) =>
    known(props.type) === "egress" ? [] : [...ranges(props.cidrBlocks), ...ranges(props.ipv6CidrBlocks)],
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ({ props }) => [
    ...ranges(props.cidrIpv4),
    ...ranges(props.cidrIpv6),
  ],
};

const truths = ["1", "on", "true"];

export const networkRules: Rule[] = [
  {
    name: "no-open-security-group",
    description: "No security group lets the whole internet in",
    enforcementLevel: "mandatory",
    validate: (resource) =>
      (inbound[resource.type]?.(resource) ?? [])
        .filter(isWorld)
        .map((range) => `it is open to the world (${range}): name the security groups that may connect`),
  },
  {
    name: "tls-forced",
    description:
      "A parameter group turns plain-text sessions away (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html)",
    enforcementLevel: "mandatory",
    validate: ({ type, props }) => {
      if (type !== "aws:rds/parameterGroup:ParameterGroup") return [];
      const family = known(props.family);
      if (typeof family === "string" && !family.startsWith("postgres")) return [];
      if (isUnknown(props.parameters)) return [];
      const parameter = entries(props.parameters).find(({ name }) => known(name) === "rds.force_ssl");
      if (parameter && (isUnknown(parameter.value) || truths.includes(String(known(parameter.value))))) return [];
      return [
        `it ${parameter ? "lets plain-text sessions in" : "does not say whether TLS is forced"}: set rds.force_ssl to 1`,
      ];
    },
  },
];
