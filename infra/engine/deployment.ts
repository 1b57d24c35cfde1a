import { messageOf } from "../../toolkit/errors.ts";
import { changesBetween } from "./diff.ts";
import type { Display, Operation } from "./display.ts";
import { type Goal, isDynamic, nameOf, typeOf } from "./goal.ts";
import { Ledger, stateOf } from "./ledger.ts";
import type { Project } from "./project.ts";
import { type DynamicProvider, InitError } from "./provider.ts";
import type { ResourceState, StackState } from "./state.ts";
import { canonical, markSecrets, type Properties, revealed } from "./wire.ts";

/** What the program gets back for a registration. */
interface Registered {
  id: string;
  outputs: Properties;
}

interface Decision {
  op: Operation;
  /** A replacement that deletes the old resource before it creates the new one. */
  deleteFirst?: boolean;
}

const never = () => new Promise<never>(() => {});

/**
 * One pass of the program: each registration becomes a step (same, create, update, replace), which is carried out or,
 * in a preview, only told; what is not registered any more is deleted at the end.
 */
export class Deployment {
  /** Resolves when a step fails: the program is of no use then. */
  readonly failure: Promise<void>;
  /** Resources that only Pulumi's own engine can create. */
  readonly cloud: string[] = [];
  /** What the program asks for, by URN, in the order of registration; inputs as their provider has checked them. */
  readonly goals = new Map<string, Goal>();
  failed = false;
  /** Whether the state is already what it will be after this deployment, to the letter. */
  unchanged = true;
  outputs: Properties = {};
  #ledger: Ledger;
  #provider: DynamicProvider;
  #display: Display;
  #dryRun: boolean;
  #inFlight = new Set<Promise<unknown>>();
  #stopped = false;
  #fail!: () => void;

  constructor(project: Project, state: StackState, provider: DynamicProvider, display: Display, dryRun: boolean) {
    this.#ledger = new Ledger(project, state, dryRun);
    this.#provider = provider;
    this.#display = display;
    this.#dryRun = dryRun;
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
    const state = this.#ledger.registered(urn);
    if (!state) return;
    const changed = canonical(state.outputs ?? {}) !== canonical(outputs);
    state.outputs = outputs;
    if (state.type === "pulumi:pulumi:Stack") this.outputs = outputs;
    if (!changed) return;
    this.unchanged = false;
    this.#ledger.save();
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
    await this.remove(this.#ledger.leftovers);
  }

  /** Deletes resources, the last one first. Checks `protect` before it touches any. */
  async remove(resources: ResourceState[]): Promise<void> {
    const kept = resources.find((resource) => resource.protect && !resource.delete);
    if (kept)
      this.reportFailure(
        `${nameOf(kept.urn)} (${typeOf(kept.urn)}) is protected and would be deleted: remove \`protect\` from it first`,
      );
    for (const resource of resources.toReversed()) {
      if (this.#stopped) return;
      this.unchanged = false;
      const done = this.#display.begin(resource.retainOnDelete ? "discard" : "delete", resource.urn);
      try {
        if (!this.#dryRun && resource.custom && !resource.retainOnDelete) await this.#delete(resource);
      } catch (error) {
        this.#display.abandon(resource.urn);
        this.reportFailure(`${nameOf(resource.urn)} (${typeOf(resource.urn)}) was not deleted: ${messageOf(error)}`);
        return;
      }
      this.#ledger.forget(resource);
      this.#ledger.save();
      done();
    }
    this.#ledger.dropIdleProvider();
  }

  async #step(goal: Goal): Promise<Registered> {
    if (this.#ledger.registered(goal.urn)) throw new Error("the program registers two resources of this type and name");
    const old = this.#ledger.old(goal);
    this.goals.set(goal.urn, goal);
    if (goal.custom && !isDynamic(goal.type)) return this.#previewCloud(goal, old);
    if (!goal.custom) return this.#component(goal, old);
    if (goal.unsupported.length > 0)
      throw new Error(`the stand-in engine does not carry out the option ${goal.unsupported.join(", ")}`);
    return this.#custom(goal, old);
  }

  #previewCloud(goal: Goal, old: ResourceState | undefined): Registered {
    this.cloud.push(goal.urn);
    this.unchanged = false;
    if (!this.#dryRun) throw new Error("only Pulumi's own engine can create it");
    this.#display.begin(old ? "update" : "create", goal.urn, changesBetween(old?.inputs ?? {}, goal.inputs));
    this.#ledger.add({ urn: goal.urn, type: goal.type, custom: true, inputs: goal.inputs });
    return { id: old?.id ?? "", outputs: goal.inputs };
  }

  #component(goal: Goal, old: ResourceState | undefined): Registered {
    const done = this.#display.begin(old ? "same" : "create", goal.urn);
    const state = stateOf(goal, goal.inputs, old?.outputs ?? {}, old);
    if (canonical(old ?? {}) !== canonical(state)) this.unchanged = false;
    this.#ledger.add(state);
    if (!old) this.#ledger.save();
    done();
    return { id: "", outputs: goal.inputs };
  }

  async #custom(goal: Goal, old: ResourceState | undefined): Promise<Registered> {
    const provider = this.#ledger.provider();
    const wanted = withIgnored(goal, old);
    const checked = await this.#provider.check(goal.urn, revealed(old?.inputs ?? {}), revealed(wanted));
    const failures = checked.failures.map(({ property, reason }) => `${property ? `${property}: ` : ""}${reason}`);
    if (failures.length > 0) throw new Error(failures.join("\n"));
    const inputs = markSecrets(checked.inputs, wanted);
    this.goals.set(goal.urn, { ...goal, inputs });
    const decision = old ? await this.#decide(goal, old, inputs) : { op: "create" as const };
    const { op } = decision;
    if (op === "replace" && old?.protect) throw new Error("it is protected and would be replaced");

    const done = this.#display.begin(op, goal.urn, changesBetween(old?.inputs ?? {}, inputs));
    const { id, outputs } = this.#dryRun ? preview(op, inputs, old) : await this.#carryOut(decision, goal, inputs, old);
    const state = { ...stateOf(goal, inputs, outputs, old), id, provider };
    const isAsItWas = old !== undefined && op === "same" && canonical(old) === canonical(state);
    // In one go with the next line: a state must never hold the old one twice, or not at all.
    if (!this.#dryRun && keepsOld(decision)) this.#ledger.doom(old!);
    const now = new Date().toISOString();
    const stamp = op === "same" ? {} : { modified: now, ...(op !== "update" && { created: now }) };
    this.#ledger.add(isAsItWas ? old : { ...state, ...stamp });
    if (!isAsItWas) this.unchanged = false;
    if (!isAsItWas) this.#ledger.save();
    done();
    return { id, outputs };
  }

  async #decide(goal: Goal, old: ResourceState, inputs: Properties): Promise<Decision> {
    if (old.initErrors?.length) return { op: "update" };
    const diff = await this.#provider.diff(goal.urn, old.id ?? "", revealed(old.outputs ?? {}), revealed(inputs));
    if (diff.replaces.length > 0)
      return { op: "replace", deleteFirst: goal.deleteBeforeReplace ?? diff.deleteBeforeReplace };
    const differs =
      diff.changes === "some" ||
      (diff.changes === "unknown" && canonical(revealed(old.inputs ?? {})) !== canonical(revealed(inputs)));
    return { op: differs ? "update" : "same" };
  }

  /** Does what was decided, and returns the resource's id and outputs. */
  async #carryOut(
    { op, deleteFirst }: Decision,
    goal: Goal,
    inputs: Properties,
    old: ResourceState | undefined,
  ): Promise<Registered> {
    const mark = (outputs: Properties) => markSecrets(outputs, inputs, goal.additionalSecretOutputs);
    if (op === "same") return { id: old!.id!, outputs: old!.outputs ?? {} };
    if (op === "replace" && deleteFirst) {
      await this.#delete(old!);
      this.#ledger.forget(old!);
      this.#ledger.save();
    }
    const subject = stateOf(goal, inputs, old?.outputs ?? {}, old);
    try {
      if (op === "update") {
        const work = () => this.#provider.update(goal.urn, old!.id!, revealed(old!.outputs ?? {}), revealed(inputs));
        return { id: old!.id!, outputs: mark(await this.#ledger.during("updating", subject, work)) };
      }
      const work = () => this.#provider.create(goal.urn, revealed(inputs));
      const made = await this.#ledger.during("creating", subject, work);
      return { id: made.id, outputs: mark(made.outputs) };
    } catch (error) {
      if (error instanceof InitError) {
        const half = stateOf(goal, inputs, mark(error.properties), old);
        if (keepsOld({ op, deleteFirst })) this.#ledger.doom(old!);
        this.#ledger.add({ ...half, id: error.id, provider: this.#ledger.provider(), initErrors: error.reasons });
        this.#ledger.save();
      }
      throw error;
    }
  }

  #delete(resource: ResourceState): Promise<void> {
    return this.#ledger.during("deleting", resource, () =>
      this.#provider.delete(resource.urn, resource.id ?? "", revealed(resource.outputs ?? {})),
    );
  }
}

/** Whether the old resource lives on until the new one is there. */
function keepsOld({ op, deleteFirst }: Decision): boolean {
  return op === "replace" && !deleteFirst;
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
