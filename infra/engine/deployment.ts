import { randomUUID } from "node:crypto";
import { messageOf } from "../../toolkit/errors.ts";
import { changesBetween } from "./diff.ts";
import type { Display, Operation } from "./display.ts";
import { type Goal, isDynamic, nameOf, providerType, providerUrn, typeOf } from "./goal.ts";
import type { Project } from "./project.ts";
import { type DynamicProvider, InitError } from "./provider.ts";
import type { PendingOperation, ResourceState, StackState } from "./state.ts";
import { canonical, markSecrets, type Properties, revealed } from "./wire.ts";

/** What the program gets back for a registration. */
interface Registered {
  id: string;
  outputs: Properties;
}

const never = () => new Promise<never>(() => {});

/**
 * One pass of the program: each registration becomes a step (same, create, update, replace), which is carried out or,
 * in a preview, only told; what is not registered any more is deleted at the end. The state is written after each step.
 */
export class Deployment {
  /** Resolves when a step fails: the program is of no use then. */
  readonly failure: Promise<void>;
  /** Resources that only Pulumi's own engine can create. */
  readonly cloud: string[] = [];
  failed = false;
  outputs: Properties = {};
  #project: Project;
  #state: StackState;
  #provider: DynamicProvider;
  #display: Display;
  #dryRun: boolean;
  #olds: Map<string, ResourceState>;
  #doomed: ResourceState[];
  #news: ResourceState[] = [];
  #pending = new Set<PendingOperation>();
  #inFlight = new Set<Promise<unknown>>();
  #stopped = false;
  #fail!: () => void;

  constructor(project: Project, state: StackState, provider: DynamicProvider, display: Display, dryRun: boolean) {
    this.#project = project;
    this.#state = state;
    this.#provider = provider;
    this.#display = display;
    this.#dryRun = dryRun;
    this.#olds = new Map(state.resources.filter((old) => !old.delete).map((old) => [old.urn, old]));
    this.#doomed = state.resources.filter((old) => old.delete);
    this.failure = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /** Brings one resource to what the program asks for. Never returns once the deployment has failed or is stopped. */
  async register(goal: Goal): Promise<Registered> {
    if (this.#stopped) return never();
    const work = this.#step(goal);
    this.#inFlight.add(work);
    try {
      return await work;
    } catch (error) {
      this.reportFailure(`${nameOf(goal.urn)} (${typeOf(goal.urn).split(":").at(-1)}): ${messageOf(error)}`);
      this.#display.abandon(goal.urn);
      return never();
    } finally {
      this.#inFlight.delete(work);
    }
  }

  /** The outputs that a component, or the stack, has of its own. */
  setOutputs(urn: string, outputs: Properties): void {
    const state = this.#news.find((resource) => resource.urn === urn);
    if (!state) return;
    const changed = canonical(state.outputs ?? {}) !== canonical(outputs);
    state.outputs = outputs;
    if (state.type === "pulumi:pulumi:Stack") this.outputs = outputs;
    if (changed) this.#save();
  }

  /** Begins no more steps, and waits for those under way. */
  async settle(): Promise<void> {
    this.#stopped = true;
    while (this.#inFlight.size > 0) await Promise.allSettled(this.#inFlight);
  }

  reportFailure(message: string): void {
    this.failed = true;
    this.#stopped = true;
    this.#display.diagnostic("error", message);
    this.#fail();
  }

  /** Deletes, in reverse order of dependency, what the program did not register and what was replaced. */
  async finish(): Promise<void> {
    this.#stopped = this.failed;
    const seen = new Set(this.#news.map(({ urn }) => urn));
    const left = this.#state.resources.filter((old) => !old.delete && !seen.has(old.urn) && old.type !== providerType);
    await this.remove([...left, ...this.#doomed]);
  }

  /** Deletes resources, the last one first. Checks `protect` before it touches any. */
  async remove(resources: ResourceState[]): Promise<void> {
    const kept = resources.find((resource) => resource.protect && !resource.delete);
    if (kept) {
      this.reportFailure(
        `${nameOf(kept.urn)} (${typeOf(kept.urn)}) is protected and would be deleted: remove \`protect\` from it first`,
      );
      return;
    }
    for (const resource of resources.toReversed()) {
      if (this.#stopped) return;
      const done = this.#display.begin(resource.retainOnDelete ? "discard" : "delete", resource.urn);
      try {
        if (!this.#dryRun && resource.custom && !resource.retainOnDelete)
          await this.#during("deleting", resource, () =>
            this.#provider.delete(resource.urn, resource.id ?? "", revealed(resource.outputs ?? {})),
          );
      } catch (error) {
        this.#display.abandon(resource.urn);
        this.reportFailure(`${nameOf(resource.urn)} (${typeOf(resource.urn)}) was not deleted: ${messageOf(error)}`);
        return;
      }
      this.#olds.delete(resource.urn);
      this.#doomed = this.#doomed.filter((doomed) => doomed !== resource);
      this.#save();
      done();
    }
    this.#dropIdleProvider();
  }

  async #step(goal: Goal): Promise<Registered> {
    if (this.#news.some(({ urn }) => urn === goal.urn))
      throw new Error("the program registers two resources of this type and name");
    const old = this.#takeOld(goal);
    if (goal.custom && !isDynamic(goal.type)) return this.#previewCloud(goal, old);
    if (!goal.custom) return this.#component(goal, old);
    if (goal.unsupported.length > 0)
      throw new Error(`the stand-in engine does not carry out the option ${goal.unsupported.join(", ")}`);
    return this.#custom(goal, old);
  }

  /** The state of a resource that exists, under its own URN or an alias. */
  #takeOld(goal: Goal): ResourceState | undefined {
    const alias = goal.aliases.find((urn) => this.#olds.has(urn));
    const old = this.#olds.get(goal.urn) ?? (alias ? this.#olds.get(alias) : undefined);
    if (!old || old.urn === goal.urn) return old;
    const renamed = { ...old, urn: goal.urn };
    this.#olds.delete(old.urn);
    this.#olds.set(goal.urn, renamed);
    this.#state.resources = this.#state.resources.map((resource) => (resource === old ? renamed : resource));
    return renamed;
  }

  #previewCloud(goal: Goal, old: ResourceState | undefined): Registered {
    this.cloud.push(goal.urn);
    if (!this.#dryRun) throw new Error("only Pulumi's own engine can create it");
    this.#display.begin(old ? "update" : "create", goal.urn, changesBetween(old?.inputs ?? {}, goal.inputs));
    this.#news.push({ urn: goal.urn, type: goal.type, custom: true, inputs: goal.inputs });
    return { id: old?.id ?? "", outputs: goal.inputs };
  }

  #component(goal: Goal, old: ResourceState | undefined): Registered {
    const state = this.#stateOf(goal, goal.inputs, old?.outputs ?? {}, old);
    const done = this.#display.begin(old ? "same" : "create", goal.urn);
    this.#news.push(state);
    if (!old) this.#save();
    done();
    return { id: "", outputs: goal.inputs };
  }

  async #custom(goal: Goal, old: ResourceState | undefined): Promise<Registered> {
    const provider = this.#ensureProvider();
    const wanted = withIgnored(goal, old);
    const oldInputs = revealed(old?.inputs ?? {});
    const checked = await this.#provider.check(goal.urn, oldInputs, revealed(wanted));
    if (checked.failures.length > 0)
      throw new Error(
        checked.failures.map(({ property, reason }) => `${property ? `${property}: ` : ""}${reason}`).join("\n"),
      );
    const inputs = markSecrets(checked.inputs, wanted);
    const changes = changesBetween(old?.inputs ?? {}, inputs);
    const op = old ? await this.#decide(goal, old, inputs) : { op: "create" as const, deleteFirst: false };
    if (op.op === "replace" && old?.protect) throw new Error("it is protected and would be replaced");
    const done = this.#display.begin(op.op, goal.urn, changes);
    const { id, outputs } = this.#dryRun ? preview(op.op, inputs, old) : await this.#carryOut(op, goal, inputs, old);
    const state = this.#stateOf(goal, inputs, outputs, old);
    if (op.op === "replace" && old && !op.deleteFirst) this.#doomed.push({ ...old, delete: true });
    const now = new Date().toISOString();
    const stamp = op.op === "same" ? {} : { modified: now, ...(op.op !== "update" && { created: now }) };
    const unchanged = old && op.op === "same" && canonical({ ...old }) === canonical({ ...state, id, provider });
    this.#news.push(unchanged ? old : { ...state, id, provider, ...stamp });
    if (!unchanged) this.#save();
    done();
    return { id, outputs };
  }

  async #decide(goal: Goal, old: ResourceState, inputs: Properties): Promise<{ op: Operation; deleteFirst: boolean }> {
    if (old.initErrors?.length) return { op: "update", deleteFirst: false };
    const diff = await this.#provider.diff(goal.urn, old.id ?? "", revealed(old.outputs ?? {}), revealed(inputs));
    if (diff.replaces.length > 0)
      return { op: "replace", deleteFirst: goal.deleteBeforeReplace ?? diff.deleteBeforeReplace };
    const differs =
      diff.changes === "some" ||
      (diff.changes === "unknown" && canonical(revealed(old.inputs ?? {})) !== canonical(revealed(inputs)));
    return { op: differs ? "update" : "same", deleteFirst: false };
  }

  /** Does what the operation says, and returns the resource's id and outputs. */
  async #carryOut(
    { op, deleteFirst }: { op: Operation; deleteFirst: boolean },
    goal: Goal,
    inputs: Properties,
    old: ResourceState | undefined,
  ): Promise<Registered> {
    const mark = (outputs: Properties) => markSecrets(outputs, inputs, goal.additionalSecretOutputs);
    if (op === "same") return { id: old!.id!, outputs: old!.outputs ?? {} };
    if (op === "replace" && deleteFirst) {
      await this.#during("deleting", old!, () =>
        this.#provider.delete(old!.urn, old!.id!, revealed(old!.outputs ?? {})),
      );
      this.#olds.delete(old!.urn);
      this.#save();
    }
    const subject = this.#stateOf(goal, inputs, old?.outputs ?? {}, old);
    try {
      if (op === "update") {
        const work = () => this.#provider.update(goal.urn, old!.id!, revealed(old!.outputs ?? {}), revealed(inputs));
        return { id: old!.id!, outputs: mark(await this.#during("updating", subject, work)) };
      }
      const made = await this.#during("creating", subject, () => this.#provider.create(goal.urn, revealed(inputs)));
      return { id: made.id, outputs: mark(made.outputs) };
    } catch (error) {
      if (error instanceof InitError) {
        const half = this.#stateOf(goal, inputs, mark(error.properties), old);
        this.#news.push({ ...half, id: error.id, provider: this.#ensureProvider(), initErrors: error.reasons });
        this.#save();
      }
      throw error;
    }
  }

  /** Notes in the state, while it lasts, that a step is under way. */
  async #during<T>(type: PendingOperation["type"], resource: ResourceState, work: () => Promise<T>): Promise<T> {
    const operation = { type, resource };
    this.#pending.add(operation);
    this.#save();
    try {
      return await work();
    } finally {
      this.#pending.delete(operation);
      this.#save();
    }
  }

  #stateOf(goal: Goal, inputs: Properties, outputs: Properties, old: ResourceState | undefined): ResourceState {
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

  /** The provider resource under which the real engine would file dynamic resources, so that it can take over. */
  #ensureProvider(): string {
    const urn = providerUrn(this.#project.stack, this.#project.name);
    const known = this.#news.find((resource) => resource.urn === urn) ?? this.#olds.get(urn);
    const state = known ?? { urn, custom: true, id: randomUUID(), type: providerType, inputs: {}, outputs: {} };
    if (!this.#news.includes(state)) this.#news.push(state);
    return `${urn}::${state.id}`;
  }

  #dropIdleProvider(): void {
    const all = [...this.#news, ...this.#olds.values(), ...this.#doomed];
    if (all.some(({ type }) => isDynamic(type))) return;
    this.#olds.delete(providerUrn(this.#project.stack, this.#project.name));
    this.#save();
  }

  #save(): void {
    if (this.#dryRun) return;
    const seen = new Set(this.#news.map(({ urn }) => urn));
    const rest = this.#state.resources.filter((old) => this.#olds.has(old.urn) && !seen.has(old.urn) && !old.delete);
    this.#state.save([...this.#news, ...rest, ...this.#doomed], [...this.#pending]);
  }
}

/** In a preview a provider is not called: what will be known is what goes in. */
function preview(op: Operation, inputs: Properties, old: ResourceState | undefined): Registered {
  if (op === "same") return { id: old!.id!, outputs: old!.outputs ?? {} };
  return { id: op === "update" ? old!.id! : "", outputs: inputs };
}

function withIgnored(goal: Goal, old: ResourceState | undefined): Properties {
  const kept = goal.ignoreChanges.filter((key) => old?.inputs && key in old.inputs);
  return { ...goal.inputs, ...Object.fromEntries(kept.map((key) => [key, old!.inputs![key]])) };
}
