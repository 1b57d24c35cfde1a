import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { RDSClient } from "@aws-sdk/client-rds";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { UserError } from "../errors.ts";
import { type Answers, dryRun, type PrintCall } from "./dryRun.ts";
import { refusal } from "./refusals.ts";

/** Which instance, and how to reach AWS. */
export interface SessionOptions {
  /** The identifier of the instance that is worked on. */
  instance: string;
  region: string;
  /** In place of AWS's own address. */
  endpoint?: string;
  /** Gets every call instead of AWS; calls that only read are made all the same. Left out: calls are made. */
  print?: PrintCall;
  say: (line: string) => void;
  /** Asked before anything is changed. */
  confirm: (question: string) => Promise<"yes" | "no" | "nobody to ask">;
  /** Milliseconds between two looks at something that takes long (10,000). */
  pollInterval?: number;
  /** Minutes after which waiting is given up, in place of what each command has. */
  timeout?: number;
}

/** What every function of this folder works with. */
export interface Session {
  readonly instance: string;
  readonly region: string;
  readonly rds: RDSClient;
  readonly secrets: SecretsManagerClient;
  readonly metrics: CloudWatchClient;
  /** Set in a dry run, where nothing is changed and some answers are missing. */
  readonly dry: Answers | undefined;
  readonly say: (line: string) => void;
  readonly pollInterval: number;
  readonly timeout: number | undefined;
  /**
   * Asks before a change; in a dry run nobody is asked.
   * @throws UserError where the answer is no (exit code 1), or nobody can be asked (2)
   */
  confirm(question: string): Promise<void>;
}

/**
 * Runs `work` with clients of the SDK, which finds the credentials as the AWS command line does.
 * @throws UserError with AWS's own words and what to do
 */
export async function withSession<T>(options: SessionOptions, work: (session: Session) => Promise<T>): Promise<T> {
  const { instance, region, endpoint, print, say } = options;
  const where = { region, ...(endpoint ? { endpoint } : {}) };
  const rds = new RDSClient(where);
  const secrets = new SecretsManagerClient(where);
  const metrics = new CloudWatchClient(where);
  const dry = print && dryRun({ rds, secretsmanager: secrets, cloudwatch: metrics }, print, say);
  const confirm = async (question: string) => {
    if (dry) return;
    const answer = await options.confirm(question);
    if (answer === "no") throw new UserError("nothing was changed, as you asked");
    if (answer === "nobody to ask")
      throw new UserError(`${question} Nobody is at the terminal to say so`, {
        fix: "Add --yes, or look at it first with --dry-run.",
        exitCode: 2,
      });
  };
  const { pollInterval = 10_000, timeout } = options;
  try {
    return await work({ instance, region, rds, secrets, metrics, dry, say, pollInterval, timeout, confirm });
  } catch (error) {
    throw refusal(error, instance, region);
  } finally {
    for (const client of [rds, secrets, metrics]) client.destroy();
  }
}

/** Whether the SDK finds credentials here. Without them only a dry run is of use. */
export async function hasCredentials(): Promise<boolean> {
  const client = new RDSClient({ region: "us-east-1" });
  return client.config
    .credentials()
    .then(
      () => true,
      () => false,
    )
    .finally(() => client.destroy());
}
