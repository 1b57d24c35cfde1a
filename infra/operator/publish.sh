#!/usr/bin/env bash
# Builds the operator's image and pushes it, where the stack's repository lacks the tag that operatorImage names. Tags do
# not move there: another image takes another tag. It needs docker, and AWS's command line with credentials and a region.
#
#   bash infra/operator/publish.sh STACK
set -euo pipefail
stack=${1:?usage: publish.sh STACK}
stack=${stack##*/}
cd "$(dirname "$0")/../.."

image=$(node infra/operator/askedImage.ts "$stack")
case $image in
  "") echo "stack $stack has no operatorImage: nothing to publish"; exit 0 ;;
  */*) echo "$image is not of the stack's own repository: nothing to publish"; exit 0 ;;
  sha256:*) echo "$image is a digest: it stands for an image that is there"; exit 0 ;;
esac

name=$(node infra/operator/askedImage.ts "$stack" --repository)
if ! found=$(aws ecr describe-repositories --repository-names "$name" --query "repositories[0].repositoryUri" --output text 2>&1); then
  case $found in
    *RepositoryNotFoundException*) echo "there is no repository $name yet: up makes it"; exit 0 ;;
    *) echo "$found" >&2; exit 1 ;;
  esac
fi
if held=$(aws ecr describe-images --repository-name "$name" --image-ids "imageTag=$image" 2>&1); then
  echo "$found:$image is there already"
  exit 0
fi
case $held in *ImageNotFoundException*) ;; *) echo "$held" >&2; exit 1 ;; esac

docker build --platform linux/amd64 --file infra/operator/Dockerfile --tag "$found:$image" .
aws ecr get-login-password | docker login --username AWS --password-stdin "${found%%/*}"
docker push "$found:$image"
