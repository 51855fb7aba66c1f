#!/bin/sh
# Bazel runs this at each build; what it prints is stamped into the program (source/BUILD.bazel), and into nothing else,
# so that a commit compiles nothing anew.
export GIT_OPTIONAL_LOCKS=0
revision=$(git rev-parse HEAD 2>/dev/null) || revision=0000000000000000000000000000000000000000
state=Clean
[ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || state=Modified
echo "STABLE_SLUICE_REVISION $revision"
echo "STABLE_SLUICE_STATE $state"
