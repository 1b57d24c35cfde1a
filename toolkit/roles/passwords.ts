import { randomBytes } from "node:crypto";
import type { CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult } from "../provider.ts";

/*
 * The module behind infra/roles/passwords.ts: passwords of database roles, kept in the state and nowhere else.
 */

/** Whose passwords, and which making of them. */
export interface PasswordInputs {
  roles: string[];
  /** Another number makes all of them anew. */
  version: number;
}

export interface PasswordOutputs extends PasswordInputs {
  /** By role; secret. */
  passwords: Record<string, string>;
}

export async function check(_olds: unknown, news: PasswordInputs): Promise<CheckResult<PasswordInputs>> {
  return { inputs: news };
}

export async function diff(_id: string, olds: PasswordOutputs, news: PasswordInputs): Promise<DiffResult> {
  return { changes: olds.version !== news.version || olds.roles.join() !== news.roles.join() };
}

export async function create(inputs: PasswordInputs): Promise<CreateResult<PasswordOutputs>> {
  return { id: "passwords", outs: withPasswords(inputs, {}) };
}

export async function update(
  _id: string,
  olds: PasswordOutputs,
  news: PasswordInputs,
): Promise<UpdateResult<PasswordOutputs>> {
  return { outs: withPasswords(news, olds.version === news.version ? olds.passwords : {}) };
}

export async function read(id: string, props: PasswordOutputs): Promise<ReadResult<PasswordOutputs>> {
  return { id, props };
}

export async function delete_(): Promise<void> {}

function withPasswords({ roles, version }: PasswordInputs, kept: Record<string, string>): PasswordOutputs {
  return { roles, version, passwords: Object.fromEntries(roles.map((role) => [role, kept[role] ?? newPassword()])) };
}

/** 192 random bits, in characters that need no escape in a URL. */
const newPassword = () => randomBytes(24).toString("base64url");
