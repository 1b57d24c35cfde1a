import type resources from "@pulumi/pulumi/proto/resource_pb.js";
import { plain } from "./provider.ts";
import type { Properties } from "./wire.ts";

/** What the program wants of one resource. */
export interface Goal {
  urn: string;
  type: string;
  name: string;
  custom: boolean;
  inputs: Properties;
  parent?: string;
  dependencies: string[];
  propertyDependencies: Record<string, string[]>;
  additionalSecretOutputs: string[];
  protect: boolean;
  retainOnDelete: boolean;
  /** Undefined where the program leaves it to the provider. */
  deleteBeforeReplace?: boolean;
  ignoreChanges: string[];
  /** URNs under which the resource was known before. */
  aliases: string[];
  /** Options that this engine does not carry out. */
  unsupported: string[];
}

export type RegisterRequest = InstanceType<typeof resources.RegisterResourceRequest>;

/** Reads a registration. `stack` and `project` make the URN. */
export function readGoal(request: RegisterRequest, stack: string, project: string): Goal {
  const [type, name, parent] = [request.getType(), request.getName(), request.getParent()];
  const given = request.getCustomtimeouts();
  const timeouts = [given?.getCreate(), given?.getUpdate(), given?.getDelete(), given?.getRead()];
  const unsupported = Object.entries({
    import: request.getImportid() !== "",
    aliases: request.getAliasesList().some((alias) => !alias.getUrn()),
    replaceOnChanges: request.getReplaceonchangesList().length > 0,
    customTimeouts: timeouts.some((timeout) => timeout),
    deletedWith: request.getDeletedwith() !== "",
    ignoreChanges: request.getIgnorechangesList().some((path) => !/^\w+$/.test(path)),
  });
  return {
    urn: urnOf(stack, project, parent, type, name),
    type,
    name,
    custom: request.getCustom(),
    inputs: plain(request.getObject()),
    ...(parent && { parent }),
    dependencies: request.getDependenciesList().toSorted(),
    propertyDependencies: Object.fromEntries(
      request
        .getPropertydependenciesMap()
        .toArray()
        .map(([key, value]) => [key, (value as unknown as [string[]])[0] ?? []]),
    ),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    protect: request.getProtect() ?? false,
    retainOnDelete: request.getRetainondelete() ?? false,
    ...(request.getDeletebeforereplacedefined() && { deleteBeforeReplace: request.getDeletebeforereplace() }),
    ignoreChanges: request.getIgnorechangesList(),
    aliases: [...request.getAliasurnsList(), ...request.getAliasesList().map((alias) => alias.getUrn())].filter(
      Boolean,
    ),
    unsupported: unsupported.flatMap(([option, used]) => (used ? [option] : [])),
  };
}

/**
 * The URN of a resource: a child carries the types of its parents, the stack excepted.
 * @see https://www.pulumi.com/docs/iac/concepts/resources/names/#urns
 */
function urnOf(stack: string, project: string, parent: string, type: string, name: string): string {
  const parentTypes = parent ? parent.split("::")[2]! : "";
  const qualified = parentTypes && !parentTypes.endsWith("pulumi:pulumi:Stack") ? `${parentTypes}$${type}` : type;
  return `urn:pulumi:${stack}::${project}::${qualified}::${name}`;
}

export const typeOf = (urn: string) => urn.split("::")[2]!.split("$").at(-1)!;
export const nameOf = (urn: string) => urn.split("::").slice(3).join("::");

const dynamicPackage = "pulumi-nodejs";

/** A resource whose provider is code of the project: what this engine creates. Others belong to a cloud. */
export const isDynamic = (type: string) => type.startsWith(`${dynamicPackage}:`);

export const providerType = `pulumi:providers:${dynamicPackage}`;

/** The provider under which the real engine files dynamic resources. */
export const providerUrn = (stack: string, project: string) =>
  `urn:pulumi:${stack}::${project}::${providerType}::default`;
