/** Where thresholds and advice come from. */

export const docs = "https://www.postgresql.org/docs/current";
export const rdsGuide = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide";
export const guidance = "https://docs.aws.amazon.com/prescriptive-guidance/latest";
export const pghero = "https://github.com/ankane/pghero";
export const estimates = "https://github.com/ioguix/pgsql-bloat-estimation";
