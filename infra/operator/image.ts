import type { Problem } from "../keyChecks.ts";

const tag = "[A-Za-z0-9_][\\w.-]{0,127}";
const digest = "sha256:[0-9a-f]{64}";
const ofOwnRepository = new RegExp(`^(?:${digest}|${tag})$`);
const elsewhere = new RegExp(`^[\\w.-]+(?::\\d+)?(?:/[\\w.-]+)+(?::${tag}|@${digest})$`);
const ofEcr = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([\w./-]+?)[:@]/;

/** What `operatorImage` may be: nothing, a tag or digest of the stack's own repository, or another image's whole name. */
export function checkImage(value: string): Problem | undefined {
  if (/(^|:)latest$/.test(value))
    return { reason: "latest is another image every week", fix: "name the version, like 1.4.0" };
  return value === "" || ofOwnRepository.test(value) || elsewhere.test(value)
    ? undefined
    : {
        reason: "it is neither a tag or digest nor a whole image name with one",
        fix: "write it like 1.4.0, or like 123456789012.dkr.ecr.eu-central-1.amazonaws.com/operator:1.4.0",
      };
}

/** Whether the stack makes the repository that the image is in. */
export const isInOwnRepository = (image: string): boolean => ofOwnRepository.test(image);

/** The name of the repository that the stack makes, by the stack's own identifier. */
export const repositoryNameOf = (identifier: string): string => `${identifier}-operator`;

/** The name of an image of a repository. */
export const imageIn = (repositoryUrl: string, image: string): string =>
  `${repositoryUrl}${image.startsWith("sha256:") ? "@" : ":"}${image}`;

/** The repository of Amazon ECR that an image is in; undefined for another registry. */
export function ecrRepositoryOf(image: string): { account: string; region: string; name: string } | undefined {
  const [, account, region, name] = ofEcr.exec(image) ?? [];
  return account && region && name ? { account, region, name } : undefined;
}
