import type { CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult } from "../provider.ts";
import { containsUnknown } from "../unknown.ts";
import { checkServer } from "./check.ts";
import { createServer, updateServer } from "./create.ts";
import { diffServer } from "./diff.ts";
import type { ServerInputs, ServerOutputs } from "./properties.ts";
import { readServer } from "./read.ts";
import { removeServer } from "./remove.ts";

/*
 * The module behind infra/server/embedded.ts: what Pulumi's engine asks of an embedded server. The working folder is
 * the project's root.
 */

export async function check(
  olds: Partial<ServerInputs> | undefined,
  news: ServerInputs,
): Promise<CheckResult<ServerInputs>> {
  if (containsUnknown(news)) return { inputs: news };
  return { inputs: news, failures: await checkServer(olds ?? {}, news) };
}

export async function diff(id: string, olds: ServerOutputs, news: ServerInputs): Promise<DiffResult> {
  return containsUnknown(news) ? { changes: true } : diffServer(id, olds, news);
}

export function create(inputs: ServerInputs): Promise<CreateResult<ServerOutputs>> {
  return createServer(inputs);
}

export function read(id: string, props: ServerOutputs): Promise<ReadResult<ServerOutputs>> {
  return readServer(id, props);
}

export function update(id: string, olds: ServerOutputs, news: ServerInputs): Promise<UpdateResult<ServerOutputs>> {
  return updateServer(id, olds, news);
}

export function delete_(id: string, props: ServerOutputs): Promise<void> {
  return removeServer(id, props);
}
