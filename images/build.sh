#!/usr/bin/env bash
# Builds one image from this checkout: images/build.sh runtime|trial NAME [option of docker build]...
# Variables: BASE_IMAGE VARIANT WITH_KFP MODEL_PACKAGES CPU_INDEX REVISION SOURCE (build arguments;
# what is empty keeps the Dockerfile's default), WHEELS (a folder whose wheels are taken before those
# of the index), DOCKER (the client).
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1 name=$2
shift 2

# BuildKit where a client has it: every one before 23, and since then those with the buildx plugin.
has_buildkit() {
  local version
  version=$("$1" version --format '{{.Client.Version}}' 2>/dev/null) || true
  [[ ${version%%.*} =~ ^[0-9]+$ ]] || return 1
  ((${version%%.*} < 23)) || "$1" buildx version >/dev/null 2>&1
}

if [[ -z ${DOCKER:-} ]]; then
  while read -r client; do
    if has_buildkit "$client"; then DOCKER=$client && break; fi
  done < <(type -ap docker)
fi
DOCKER=${DOCKER:-docker}
if [[ -z ${DOCKER_BUILDKIT:-} ]]; then
  if has_buildkit "$DOCKER"; then export DOCKER_BUILDKIT=1; else export DOCKER_BUILDKIT=0; fi
fi

placed=()
remove_wheels() { ((${#placed[@]} == 0)) || rm -f -- "${placed[@]}"; }
trap remove_wheels EXIT
if [[ -n ${WHEELS:-} && $image == trial ]]; then
  for wheel in "$WHEELS"/*.whl; do
    target=images/wheels/${wheel##*/}
    [[ -e $wheel && ! -e $target ]] || continue
    placed+=("$target")
    # A link where both lie on one disk: they may be large.
    ln "$wheel" "$target" 2>/dev/null || cp "$wheel" "$target"
  done
fi

if [[ -z ${REVISION:-} ]]; then
  REVISION=$(git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null) || REVISION=
fi
VERSION=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' xautolm_core/__init__.py)
arguments=()
for variable in BASE_IMAGE VARIANT WITH_KFP MODEL_PACKAGES CPU_INDEX VERSION REVISION SOURCE; do
  # The classic builder takes an argument that the Dockerfile does not know for an error.
  if [[ -n ${!variable:-} ]] && grep -q "^ARG $variable=" "images/$image/Dockerfile"; then
    arguments+=(--build-arg "$variable=${!variable}")
  fi
done
"$DOCKER" build --file "images/$image/Dockerfile" --tag "$name" "${arguments[@]}" "$@" .
