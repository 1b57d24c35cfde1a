/**
 * What the module behind a dynamic resource exports, in the shapes of Pulumi's `dynamic.ResourceProvider`. Written down
 * here because the toolkit imports nothing of Pulumi's; infra/dynamic.ts passes the calls on.
 */

/** A value that is refused, before anything is touched. */
export interface CheckFailure {
  property: string;
  /** What is wrong, why, and what to do. */
  reason: string;
}

export interface CheckResult<Inputs> {
  inputs: Inputs;
  failures?: CheckFailure[];
}

export interface DiffResult {
  changes: boolean;
  /** Properties whose change asks for a new resource instead of an update. */
  replaces?: string[];
  deleteBeforeReplace?: boolean;
}

export interface CreateResult<Outputs> {
  id: string;
  outs: Outputs;
}

/** Without an id the resource is gone. */
export interface ReadResult<Outputs> {
  id?: string;
  props?: Outputs;
}

export interface UpdateResult<Outputs> {
  outs: Outputs;
}
