import type { ec2 } from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Children } from "./children.ts";

export const port = 5432;

/** Where a database is, and who may connect. */
export interface NetworkArgs {
  /** Private subnets that exist; none for a VPC of its own. */
  subnetIds: string[];
  /** Security groups that may connect; none for one made for that purpose. */
  securityGroupIds: string[];
  /** The address range of an own VPC, for example 10.87.0.0/24. */
  vpcCidr: string;
  /** The availability zones of an own VPC, for example eu-central-1a. */
  zones: string[];
}

/** A place in a VPC for a database, entered from named security groups only. */
export class Network extends pulumi.ComponentResource {
  readonly subnetGroupName: pulumi.Output<string>;
  readonly securityGroupId: pulumi.Output<string>;
  readonly vpcId: pulumi.Output<string>;
  readonly subnetIds: pulumi.Input<string>[];
  /** The VPC that was made for it, where no subnets were named. */
  readonly ownVpc?: ec2.Vpc;
  /** The group to give to what shall connect, where no groups were named. */
  readonly clientSecurityGroupId?: pulumi.Output<string>;

  constructor(name: string, args: NetworkArgs, children: Children, options: pulumi.ComponentResourceOptions) {
    super("database:server:Network", name, {}, options);
    const own = children.below(this);

    const made = args.subnetIds.length > 0 ? undefined : ownSubnets(name, args, own);
    const subnetIds = made?.subnetIds ?? args.subnetIds;
    const subnetGroup = own.make("subnetGroup", name, { subnetIds });
    const { vpcId } = subnetGroup;
    const securityGroup = own.make("securityGroup", name, {
      vpcId,
      description: "PostgreSQL, from the named security groups only",
    });
    for (const source of args.securityGroupIds) allow(`${name}-from-${source}`, source, securityGroup.id, own);
    if (args.securityGroupIds.length === 0) {
      const clients = own.make("clientSecurityGroup", `${name}-clients`, {
        vpcId,
        description: "Whoever carries this group may connect to PostgreSQL",
      });
      allow(`${name}-from-clients`, clients.id, securityGroup.id, own);
      own.make("egressRule", `${name}-clients`, {
        securityGroupId: clients.id,
        referencedSecurityGroupId: securityGroup.id,
        ipProtocol: "tcp",
        fromPort: port,
        toPort: port,
      });
      this.clientSecurityGroupId = clients.id;
    }

    this.subnetGroupName = subnetGroup.name;
    this.securityGroupId = securityGroup.id;
    this.vpcId = vpcId;
    this.subnetIds = subnetIds;
    if (made) this.ownVpc = made.vpc;
    this.registerOutputs({ subnetGroupName: this.subnetGroupName, securityGroupId: this.securityGroupId });
  }
}

function allow(name: string, source: pulumi.Input<string>, securityGroupId: pulumi.Input<string>, own: Children): void {
  own.make("ingressRule", name, {
    securityGroupId,
    referencedSecurityGroupId: source,
    ipProtocol: "tcp",
    fromPort: port,
    toPort: port,
  });
}

/** A small private network, one subnet for each zone; no gateway leads in or out. */
function ownSubnets(name: string, { vpcCidr, zones }: NetworkArgs, own: Children) {
  const vpc = own.make("vpc", name, { cidrBlock: vpcCidr, enableDnsHostnames: true });
  const blocks = quarters(vpcCidr);
  const subnetIds = zones.map((availabilityZone, index) => {
    const args = { vpcId: vpc.id, cidrBlock: blocks[index]!, availabilityZone };
    return own.make("subnet", `${name}-${availabilityZone.at(-1)}`, args).id;
  });
  return { vpc, subnetIds };
}

/** The four equal parts of an IPv4 block. */
export function quarters(cidr: string): string[] {
  const [address, bits] = parse(cidr);
  return [0, 1, 2, 3].map((index) => format(address + index * 2 ** (30 - bits), bits + 2));
}

/** The block of the same size, `steps` further on: networks of other regions must not overlap to be peered. */
export function nextBlock(cidr: string, steps: number): string {
  const [address, bits] = parse(cidr);
  return format(address + steps * 2 ** (32 - bits), bits);
}

function parse(cidr: string): [number, number] {
  const [address, bits] = cidr.split("/") as [string, string];
  return [address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0), Number(bits)];
}

function format(address: number, bits: number): string {
  const parts = [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256);
  return `${parts.join(".")}/${bits}`;
}
