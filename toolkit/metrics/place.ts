import { UserError } from "../errors.ts";

/** Where metrics go. */
export interface CloudWatchPlace {
  namespace: string;
  region: string;
  /** In place of AWS's own address. */
  endpoint?: string;
}

/**
 * Where the options of a command say that metrics go; undefined where they do not.
 * @throws UserError with exit code 2 for what CloudWatch would refuse
 */
export function placeOf(values: { cloudwatch?: string | undefined; region?: string | undefined }) {
  const { cloudwatch: namespace, region } = values;
  const wrong = (what: string, fix: string) => new UserError(what, { fix, exitCode: 2 });
  if (namespace === undefined) {
    if (region) throw wrong("--region means nothing without --cloudwatch", "Leave it out.");
    return undefined;
  }
  if (!/^(?!AWS\/)[\w.\-/#:]{1,255}$/.test(namespace))
    throw wrong(
      `"${namespace}" is no namespace of CloudWatch`,
      "Give letters, digits and . - _ / # : that do not begin with AWS/, as Investment/PostgreSQL.",
    );
  if (!region) throw wrong("the region of CloudWatch is not said", "Add --region.");
  return { namespace, region } satisfies CloudWatchPlace;
}

/** The dimensions of every metric: the server, as clients name it, and the database. */
export const dimensionsOf = (server: string, database: string) => [
  { Name: "Server", Value: server },
  { Name: "Database", Value: database },
];
