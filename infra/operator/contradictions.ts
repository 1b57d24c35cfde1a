import { rules } from "../configKeys.ts";
import type { Contradiction } from "../contradictions.ts";
import { ecrRepositoryOf, isInOwnRepository } from "./image.ts";

const rhythm = ["maintenanceSchedule", "maintenanceTimeZone", "metricsInterval"] as const;

/** What belongs together across the keys of the operator. */
export const operatorContradictions: Contradiction[] = [
  {
    keys: ["operatorImage", ...rhythm],
    find: (values) =>
      values.operatorImage
        ? []
        : rhythm
            .filter((key) => values[key] !== rules[key]!.default)
            .map((key) => ({
              key,
              value: values[key],
              reason: "nothing runs by it: operatorImage is empty",
              fix: "set operatorImage, or remove it",
            })),
  },
  {
    keys: ["operatorImage", "subnetIds", "region"],
    server: "rds",
    find: ({ operatorImage, subnetIds, region }) =>
      !operatorImage ||
      subnetIds.length > 0 ||
      isInOwnRepository(operatorImage) ||
      ecrRepositoryOf(operatorImage)?.region === region
        ? []
        : [
            {
              key: "operatorImage",
              value: operatorImage,
              reason: `the stack's own VPC has no way to the internet, and only Amazon ECR in ${region} can be reached`,
              fix: "name a tag in the stack's repository, or an image of ECR there",
            },
          ],
  },
];
