import { randomUUID } from "node:crypto";
import { type Goal, isDynamic, providerType, providerUrn } from "./goal.ts";
import type { Project } from "./project.ts";
import type { PendingOperation, ResourceState, StackState } from "./state.ts";
import type { Properties } from "./wire.ts";

/**
 * The resources of a deployment on their way from the old state to the new one. After each step the state is written:
 * what is new, in the order of registration; what is old and not yet seen; what was replaced and is still to go.
 */
export class Ledger {
  #project: Project;
  #state: StackState;
  #dryRun: boolean;
  #olds: Map<string, ResourceState>;
  #news: ResourceState[] = [];
  #doomed: ResourceState[];
  #pending = new Set<PendingOperation>();

  constructor(project: Project, state: StackState, dryRun: boolean) {
    this.#project = project;
    this.#state = state;
    this.#dryRun = dryRun;
    this.#olds = new Map(state.resources.filter((old) => !old.delete).map((old) => [old.urn, old]));
    this.#doomed = state.resources.filter((old) => old.delete);
  }

  /** A resource that was registered in this deployment. */
  registered(urn: string): ResourceState | undefined {
    return this.#news.find((resource) => resource.urn === urn);
  }

  /** The state of a resource that exists, under its own URN or an alias. */
  old(goal: Goal): ResourceState | undefined {
    const alias = goal.aliases.find((urn) => this.#olds.has(urn));
    const old = this.#olds.get(goal.urn) ?? (alias ? this.#olds.get(alias) : undefined);
    if (!old || old.urn === goal.urn) return old;
    const renamed = { ...old, urn: goal.urn };
    this.#olds.delete(old.urn);
    this.#olds.set(goal.urn, renamed);
    this.#state.resources = this.#state.resources.map((resource) => (resource === old ? renamed : resource));
    return renamed;
  }

  add(resource: ResourceState): void {
    this.#news.push(resource);
  }

  /** Keeps a replaced resource in the state until it is deleted. */
  doom(old: ResourceState): void {
    this.#doomed.push({ ...old, delete: true });
  }

  forget(resource: ResourceState): void {
    this.#olds.delete(resource.urn);
    this.#doomed = this.#doomed.filter((doomed) => doomed !== resource);
  }

  /** What is to be deleted at the end: what was not registered, then what was replaced. */
  get leftovers(): ResourceState[] {
    const seen = new Set(this.#news.map(({ urn }) => urn));
    const left = this.#state.resources.filter((old) => !old.delete && !seen.has(old.urn) && old.type !== providerType);
    return [...left, ...this.#doomed];
  }

  /** Notes in the state, while it lasts, that a step is under way. */
  async during<T>(type: PendingOperation["type"], resource: ResourceState, work: () => Promise<T>): Promise<T> {
    const operation = { type, resource };
    this.#pending.add(operation);
    this.save();
    try {
      return await work();
    } finally {
      this.#pending.delete(operation);
      this.save();
    }
  }

  /** The provider resource under which the real engine would file dynamic resources, so that it can take over. */
  provider(): string {
    const urn = providerUrn(this.#project.stack, this.#project.name);
    const known = this.registered(urn) ?? this.#olds.get(urn);
    const state = known ?? { urn, custom: true, id: randomUUID(), type: providerType, inputs: {}, outputs: {} };
    if (!this.#news.includes(state)) this.#news.push(state);
    return `${urn}::${state.id}`;
  }

  dropIdleProvider(): void {
    const all = [...this.#news, ...this.#olds.values(), ...this.#doomed];
    if (all.some(({ type }) => isDynamic(type))) return;
    this.#olds.delete(providerUrn(this.#project.stack, this.#project.name));
    this.save();
  }

  save(): void {
    if (this.#dryRun) return;
    const seen = new Set(this.#news.map(({ urn }) => urn));
    const rest = this.#state.resources.filter((old) => this.#olds.has(old.urn) && !seen.has(old.urn) && !old.delete);
    this.#state.save([...this.#news, ...rest, ...this.#doomed], [...this.#pending]);
  }
}

/** A resource as it will stand in the state, from what the program wants and what there was. */
export function stateOf(
  goal: Goal,
  inputs: Properties,
  outputs: Properties,
  old: ResourceState | undefined,
): ResourceState {
  const { initErrors: _, ...kept } = old ?? ({} as ResourceState);
  return {
    ...kept,
    urn: goal.urn,
    custom: goal.custom,
    type: goal.type,
    inputs,
    outputs,
    ...(goal.parent && { parent: goal.parent }),
    dependencies: goal.dependencies,
    propertyDependencies: goal.propertyDependencies,
    additionalSecretOutputs: goal.additionalSecretOutputs,
    protect: goal.protect,
    retainOnDelete: goal.retainOnDelete,
  };
}
