import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import type { CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult } from "../provider.ts";
import { containsUnknown } from "../unknown.ts";

/*
 * The module behind infra/server/external.ts: a server that somebody else runs. It is looked at, adopted, and left as
 * it is.
 */

/** What the program asks of an external server. */
export interface ExternalInputs {
  /** A secret. */
  connection: Connection;
  /** The oldest major version that is accepted. */
  minimumVersion: number;
}

/** What is known of an external server. */
export interface ExternalOutputs extends ExternalInputs {
  /** As the server says it: "16.4". */
  serverVersion: string;
  /** The cluster's unique number; null where the server does not tell it to this user. */
  systemIdentifier: string | null;
}

interface Facts {
  serverVersion: string;
  major: number;
  inRecovery: boolean;
  systemIdentifier: string | null;
}

// Milliseconds: a person waits for the answer.
const connectTimeout = 5_000;

export async function check(
  _olds: Partial<ExternalInputs> | undefined,
  news: ExternalInputs,
): Promise<CheckResult<ExternalInputs>> {
  if (containsUnknown(news.connection)) return { inputs: news };
  try {
    await requireUsable(news);
    return { inputs: news };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { inputs: news, failures: [{ property: "connection", reason: error.message }] };
  }
}

/** Another cluster behind the address is another resource: its schema is migrated from the start. */
export async function diff(id: string, olds: ExternalOutputs, news: ExternalInputs): Promise<DiffResult> {
  if (containsUnknown(news.connection)) return { changes: true };
  const facts = await look(news.connection);
  if (identityOf(facts, news.connection) !== id) {
    console.log("the address leads to another server than before");
    return { changes: true, replaces: ["connection"], deleteBeforeReplace: false };
  }
  const lines = [
    ...(sameConnection(olds.connection, news.connection) ? [] : ["the connection has changed"]),
    ...(olds.minimumVersion === news.minimumVersion
      ? []
      : [`minimumVersion: ${olds.minimumVersion} -> ${news.minimumVersion}`]),
    ...(olds.serverVersion === facts.serverVersion
      ? []
      : [`PostgreSQL: ${olds.serverVersion} -> ${facts.serverVersion}`]),
  ];
  for (const line of lines) console.log(line);
  return { changes: lines.length > 0 };
}

/** @throws UserError when the server cannot be used */
export async function create(inputs: ExternalInputs): Promise<CreateResult<ExternalOutputs>> {
  const facts = await requireUsable(inputs);
  return { id: identityOf(facts, inputs.connection), outs: outputs(inputs, facts) };
}

/** @throws UserError when the server cannot be reached: that it is gone for good, nobody can tell from here */
export async function read(_id: string, props: ExternalOutputs): Promise<ReadResult<ExternalOutputs>> {
  const facts = await look(props.connection);
  return { id: identityOf(facts, props.connection), props: outputs(props, facts) };
}

/** @throws UserError when the server cannot be used */
export async function update(
  _id: string,
  _olds: ExternalOutputs,
  news: ExternalInputs,
): Promise<UpdateResult<ExternalOutputs>> {
  return { outs: outputs(news, await requireUsable(news)) };
}

/** Leaves the server as it is: it was there before the stack. */
export async function delete_(_id: string, { connection }: ExternalOutputs): Promise<void> {
  console.log(`${connection.host}:${connection.port}/${connection.database} is left as it is, with its data`);
}

/** @throws UserError when the server cannot be reached, is too old, or takes no writes */
async function requireUsable({ connection, minimumVersion }: ExternalInputs): Promise<Facts> {
  const facts = await look(connection);
  const place = `${connection.host}:${connection.port}`;
  if (facts.major < minimumVersion)
    throw new UserError(`the server at ${place} is PostgreSQL ${facts.serverVersion}`, {
      why: `database:minimumVersion asks for ${minimumVersion} or later.`,
      fix: `Upgrade the server, or set database:minimumVersion to ${facts.major} if it is one of the versions allowed.`,
    });
  if (facts.inRecovery)
    throw new UserError(`the server at ${place} is a standby`, {
      why: "It is in recovery and takes no writes; no migration can run there.",
      fix: "Give the address of the primary.",
    });
  return facts;
}

function look(connection: Connection): Promise<Facts> {
  return withClient(connection, { applicationName: "postgres-from-code check", connectTimeout }, async (client) => {
    const { rows } = await client.query<Omit<Facts, "systemIdentifier">>(
      `select split_part(current_setting('server_version'), ' ', 1) as "serverVersion",
              current_setting('server_version_num')::int / 10000 as major,
              pg_is_in_recovery() as "inRecovery"`,
    );
    return { ...rows[0]!, systemIdentifier: await systemIdentifierOf(client) };
  });
}

/** Hosted PostgreSQL often reserves the function for its owner. */
async function systemIdentifierOf(client: pg.Client): Promise<string | null> {
  const insufficientPrivilege = "42501";
  try {
    const { rows } = await client.query<{ id: string }>(
      "select system_identifier::text as id from pg_control_system()",
    );
    return rows[0]!.id;
  } catch (error) {
    if ((error as { code?: string }).code === insufficientPrivilege) return null;
    throw error;
  }
}

function outputs(inputs: ExternalInputs, { serverVersion, systemIdentifier }: Facts): ExternalOutputs {
  return { ...inputs, serverVersion, systemIdentifier };
}

function identityOf({ systemIdentifier }: Facts, { host, port, database }: Connection): string {
  return `${systemIdentifier ?? `${host}:${port}`}/${database}`;
}

const sameConnection = (one: Connection, other: Connection) =>
  JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());
