import type * as pulumi from "@pulumi/pulumi";
import type { Children } from "../server/rds/children.ts";
import { ecrRepositoryOf, repositoryNameOf } from "./image.ts";
import { partsOf, type Statement } from "./policies.ts";

/** Images that the repository keeps: the one that runs, and those to go back to. */
export const imagesKept = 10;

/** A repository whose tags never move, so that what runs is what was pushed; only the newest images stay. */
export function makeRepository(name: string, identifier: string, own: Children) {
  const repository = own.make("repository", name, {
    name: repositoryNameOf(identifier),
    imageTagMutability: "IMMUTABLE",
    imageScanningConfiguration: { scanOnPush: true },
  });
  const selection = { tagStatus: "any", countType: "imageCountMoreThan", countNumber: imagesKept };
  own.make("repositoryLifecycle", name, {
    repository: repository.name,
    policy: JSON.stringify({ rules: [{ rulePriority: 1, selection, action: { type: "expire" } }] }),
  });
  return repository;
}

/** To pull the image; of a registry that is not Amazon's, nothing of AWS is asked. */
export function pullStatements(
  repositoryArn: pulumi.Output<string> | undefined,
  image: string,
  ownArn: pulumi.Output<string>,
): Statement[] {
  const ecr = ecrRepositoryOf(image);
  const arn =
    repositoryArn ??
    (ecr &&
      ownArn.apply(
        (known) => `arn:${partsOf(known).partition}:ecr:${ecr.region}:${ecr.account}:repository/${ecr.name}`,
      ));
  if (!arn) return [];
  return [
    { Action: "ecr:GetAuthorizationToken", Resource: "*" },
    { Action: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], Resource: arn },
  ];
}
