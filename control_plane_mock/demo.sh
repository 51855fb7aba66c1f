#!/usr/bin/env bash
# The main job on real traffic, in about a minute. `./do demo` builds what this needs and calls it.
#   --keep  leaves everything running at the end and says what to edit and which page to open
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
exec bazel-bin/control_plane_mock/demo/demo --sluice "$PWD/bazel-bin/source/sluice" \
  --control-plane "$PWD/bazel-bin/control_plane_mock/control_plane_mock" "$@"
