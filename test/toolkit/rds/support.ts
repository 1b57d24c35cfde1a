import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { CreateDBInstanceCommand, type CreateDBInstanceMessage, RDSClient } from "@aws-sdk/client-rds";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { Call } from "../../../toolkit/rds/dryRun.ts";
import { type Session, type SessionOptions, withSession } from "../../../toolkit/rds/session.ts";
import { startMoto } from "../backup/moto.ts";
import { afterwards } from "../backup/support.ts";

export const region = "eu-central-1";

/** An account with nothing in it, as moto's server plays it. */
export async function startAccount(moto: string[]) {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "moto", AWS_SECRET_ACCESS_KEY: "moto" });
  const endpoint = await startMoto(moto, { host: "127.0.0.1", port: 5432 });
  const where = { region, endpoint };
  const [rds, secrets, metrics] = [
    new RDSClient(where),
    new SecretsManagerClient(where),
    new CloudWatchClient(where),
  ] as const;
  afterwards(async () => {
    for (const client of [rds, secrets, metrics]) client.destroy();
  });
  return {
    ...{ endpoint, rds, secrets, metrics },
    makeInstance: (name: string, args: Partial<CreateDBInstanceMessage> = {}) =>
      rds.send(
        new CreateDBInstanceCommand({
          DBInstanceIdentifier: name,
          DBInstanceClass: "db.r7g.large",
          Engine: "postgres",
          EngineVersion: "17.4",
          MasterUsername: "postgres",
          MasterUserPassword: "not used here",
          AllocatedStorage: 100,
          StorageType: "gp3",
          BackupRetentionPeriod: 14,
          ...args,
        }),
      ),
  };
}

/** What a command did: what it said, and which calls it made or, in a dry run, printed. */
export interface Seen<T> {
  result: T;
  lines: string[];
  calls: Call[];
}

/** Runs a function of toolkit/rds as its command does, with every call in sight; nobody is asked unless the options say so. */
export async function seen<T>(
  instance: string,
  work: (session: Session) => Promise<T>,
  options: Partial<SessionOptions> & { dry?: boolean; calls?: Call[] } = {},
): Promise<Seen<T>> {
  const { dry, calls = [], ...rest } = options;
  const lines: string[] = [];
  const print = (call: Call) => void calls.push(call);
  const result = await withSession(
    {
      ...{
        instance,
        region,
        pollInterval: 5,
        say: (line: string) => void lines.push(line),
        confirm: async () => "yes" as const,
      },
      ...(dry && { print }),
      ...rest,
    },
    (session) => {
      if (!dry) for (const [service, client] of clientsOf(session)) listen(client, service, print);
      return work(session);
    },
  );
  return { result, lines, calls };
}

const clientsOf = ({ rds, secrets, metrics }: Session) =>
  Object.entries({ rds, secretsmanager: secrets, cloudwatch: metrics }) as [string, RDSClient][];

function listen(client: RDSClient, service: string, print: (call: Call) => void): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      print({ service, operation: String(context.commandName).replace(/Command$/, ""), input: args.input });
      return next(args);
    },
    { step: "initialize", name: "listen" },
  );
}

/** The calls that change something, by their names. */
export const writes = (calls: Call[]) =>
  calls.map(({ operation }) => operation).filter((operation) => !/^(Describe|Get)/.test(operation));
