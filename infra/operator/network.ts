import type * as pulumi from "@pulumi/pulumi";
import type { Children } from "../server/rds/children.ts";
import { type Network, port } from "../server/rds/network.ts";

/**
 * What a task without a way to the internet asks of AWS: its image, where its output goes, its password, where its figures
 * go, and snapshots to prune. Layers of images lie in S3, which has an endpoint that costs nothing.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
 */
const services = ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "monitoring", "rds"];

const https = { ipProtocol: "tcp", fromPort: 443, toPort: 443 };

/** Where the tasks run, and what they reach: the database, and AWS by 443; nothing reaches them. */
export interface Place {
  subnetIds: pulumi.Input<string>[];
  securityGroupIds: pulumi.Input<string>[];
}

/**
 * In the stack's own VPC, endpoints in one subnet, where the tasks run: each costs by the hour and zone, and a day without
 * maintenance is no outage. A NAT gateway would cost about as much and open a way from the database's network to the
 * internet. In a VPC that was there before, its own endpoints or NAT gateway serve.
 */
export function makePlace(name: string, network: Network, region: string, own: Children): Place {
  const { vpcId, subnetIds, ownVpc } = network;
  const group = own.make("securityGroup", name, { vpcId, description: "Maintenance and metrics of PostgreSQL" });
  const database = { ipProtocol: "tcp", fromPort: port, toPort: port };
  const toDatabase = { ...database, referencedSecurityGroupId: network.securityGroupId };
  own.make("egressRule", `${name}-database`, { ...toDatabase, securityGroupId: group.id });
  const fromTasks = { ...database, referencedSecurityGroupId: group.id };
  own.make("ingressRule", `${name}-database`, { ...fromTasks, securityGroupId: network.securityGroupId });
  if (!ownVpc) {
    // Addresses of AWS are many, and change.
    own.make("egressRule", `${name}-aws`, { ...https, securityGroupId: group.id, cidrIpv4: "0.0.0.0/0" });
    return { subnetIds, securityGroupIds: [group.id] };
  }

  const endpoints = own.make("securityGroup", `${name}-endpoints`, { vpcId, description: "Endpoints of AWS" });
  const toEndpoints = { ...https, referencedSecurityGroupId: endpoints.id };
  own.make("egressRule", `${name}-endpoints`, { ...toEndpoints, securityGroupId: group.id });
  const fromGroup = { ...https, referencedSecurityGroupId: group.id };
  own.make("ingressRule", `${name}-endpoints`, { ...fromGroup, securityGroupId: endpoints.id });
  const subnets = subnetIds.slice(0, 1);
  for (const service of services)
    own.make("vpcEndpoint", `${name}-${service.replace(".", "-")}`, {
      vpcId,
      serviceName: serviceName(region, service),
      vpcEndpointType: "Interface",
      privateDnsEnabled: true,
      subnetIds: subnets,
      securityGroupIds: [endpoints.id],
    });
  const s3 = own.make("vpcEndpoint", `${name}-s3`, {
    vpcId,
    serviceName: serviceName(region, "s3"),
    vpcEndpointType: "Gateway",
    routeTableIds: [ownVpc.mainRouteTableId],
  });
  own.make("egressRule", `${name}-s3`, { ...https, securityGroupId: group.id, prefixListId: s3.prefixListId });
  return { subnetIds: subnets, securityGroupIds: [group.id] };
}

const serviceName = (region: string, service: string) => `com.amazonaws.${region}.${service}`;
