import type * as pulumi from "@pulumi/pulumi";
import type { Config, Replica } from "../../config.ts";
import { Channels } from "./channels.ts";
import type { Children } from "./children.ts";
import { makeDataKey } from "./keys.ts";
import { Network, nextBlock } from "./network.ts";
import { ReadReplica, type ReplicaArgs } from "./replicas.ts";

/** What instances of one region share. */
export interface Region {
  network: Network;
  channels: Channels;
  key: pulumi.Input<string> | undefined;
}

type Common = Pick<ReplicaArgs, "config" | "sourceArn" | "monitoringRoleArn">;

/**
 * The read replicas of the configuration. Those of the primary's region share what is there; each other region gets a
 * network, topics and a key of its own first, for none of them reaches across.
 */
export function makeReplicas(
  name: string,
  common: Common,
  home: Region,
  own: Children,
  options: pulumi.ComponentResourceOptions,
): ReadReplica[] {
  const { config } = common;
  const byRegion = Map.groupBy(config.replicas, (replica) => replica.region);
  const abroad = [...byRegion.keys()].filter((region) => region !== config.region);
  return [...byRegion].flatMap(([regionName, replicas]) => {
    const away = abroad.indexOf(regionName);
    const children = away < 0 ? own : own.in(regionName);
    const region = away < 0 ? home : makeRegion(`${name}-${regionName}`, config, replicas, away + 1, children, options);
    const made = replicas.map(
      (replica) =>
        new ReadReplica(
          `${name}-${replica.name}`,
          { ...common, ...region, key: replica.kmsKeyArn ?? region.key, replica },
          children,
          options,
        ),
    );
    if (away >= 0) region.channels.subscribeToEvents(made);
    return made;
  });
}

function makeRegion(
  name: string,
  config: Config,
  replicas: Replica[],
  steps: number,
  children: Children,
  options: pulumi.ComponentResourceOptions,
): Region {
  const all = (key: "subnetIds" | "securityGroupIds") => [...new Set(replicas.flatMap((replica) => replica[key]))];
  const place = {
    subnetIds: all("subnetIds"),
    securityGroupIds: all("securityGroupIds"),
    vpcCidr: nextBlock(config.vpcCidr, steps),
    zones: config.zones.map((zone) => replicas[0]!.region + zone),
  };
  return {
    network: new Network(name, place, children, options),
    channels: new Channels(name, config.alarmEmails, children, options),
    // Keys are regional: an encrypted replica elsewhere must have one of its own region.
    key: replicas.every(({ kmsKeyArn }) => kmsKeyArn)
      ? undefined
      : makeDataKey(name, "own", config.deletionProtection, children),
  };
}
