#!/usr/bin/env bash
# The picture of the layers in docs/design.md is what the includes say today.
set -euo pipefail
cd "$(dirname "$0")/../.."

diff docs/layers.svg <(docs/layers.sh) || {
  echo "docs/layers.svg is not what the includes say; docs/layers.sh >docs/layers.svg draws it again"
  exit 1
}
grep -q '(layers.svg)' docs/design.md || { echo "docs/design.md does not show layers.svg"; exit 1; }
echo "docs/layers.svg shows the includes as they are"
