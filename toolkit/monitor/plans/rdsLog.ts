import type { RdsTarget } from "../../backup/rds.ts";
import { messageOf } from "../../errors.ts";
import { type LogRead, type LogSource, newest } from "./logSource.ts";

// AWS gives a megabyte, or ten thousand lines, at a time: that of the newest files is enough.
const lines = 10_000;
const day = 86_400_000;
const patience = 10_000;

/** What to do about each way in which AWS refuses, by the error's code. */
const fixes: Record<string, string> = {
  CredentialsProviderError: "give the SDK credentials: `aws configure`, AWS_PROFILE, or a role of the machine",
  AccessDenied: "allow rds:DescribeDBLogFiles and rds:DownloadDBLogFilePortion",
  ExpiredToken: "sign in again: `aws sso login`",
};

/**
 * The log of an RDS instance, by AWS's API.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DownloadDBLogFilePortion.html
 */
export function rdsLog({ instanceIdentifier, region, endpoint }: RdsTarget): LogSource {
  return async (): Promise<LogRead> => {
    // Loaded only where it is asked: it is big.
    const sdk = await import("@aws-sdk/client-rds");
    const client = new sdk.RDSClient({ region, ...(endpoint ? { endpoint } : {}) });
    const options = { abortSignal: AbortSignal.timeout(patience) };
    const instance = { DBInstanceIdentifier: instanceIdentifier };
    try {
      const { DescribeDBLogFiles: described = [] } = await client.send(
        new sdk.DescribeDBLogFilesCommand({
          ...{ ...instance, FilenameContains: "postgresql.log", FileLastWritten: Date.now() - day },
        }),
        options,
      );
      const { format, files } = newest(
        described
          .toSorted((one, other) => (other.LastWritten ?? 0) - (one.LastWritten ?? 0))
          .map(({ LogFileName = "", Size = 0 }) => ({ name: LogFileName, size: Size })),
      );
      let text = "";
      for (const { name } of files) {
        const portion = await client.send(
          new sdk.DownloadDBLogFilePortionCommand({ ...instance, LogFileName: name, NumberOfLines: lines }),
          options,
        );
        text += portion.LogFileData ?? "";
      }
      return { place: `the log of the RDS instance ${instanceIdentifier}`, format, text };
    } catch (error) {
      const fix = fixes[(error as Error).name.replace(/(Fault|Exception)$/, "")];
      const why = `AWS does not give the log of ${instanceIdentifier} in ${region}: ${messageOf(error).replace(/\.$/, "")}`;
      return { unavailable: `${why}${fix ? `; ${fix}` : ""}.` };
    } finally {
      client.destroy();
    }
  };
}
