#!/usr/bin/env bash
# The one script of the project. `./do` alone lists its verbs; each installs what it needs and says so.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
export LC_ALL=C.UTF-8 HOME="${HOME:-/root}"

usage() {
  cat <<'END'
./do VERB [OPTION...]

  setup                      installs all that the other verbs need (each also does so for itself)
  build [--config=asan|tsan] builds the program: bazel-bin/source/sluice
  demo [--keep]              a control plane adds, moves, breaks and drains listeners under traffic, in about a minute
  test [OPTION|FILTER...]    builds and runs every test, or those of a FILTER: a folder (test/net), a target (//test/net:x)
                             or a part of a target's name; OPTION: --config=asan|tsan, --test_filter=Suite.Case, Bazel's own
  bench [NAME...]            builds and runs the microbenchmarks
  fuzz [--keep] [TARGET] [SECONDS]
                             builds the fuzzers with clang and runs each (or TARGET alone) for SECONDS (60); what crashes
                             is left in fuzz-crashes/TARGET; --keep adds what reaches new code to test/fuzz/corpus
  format                     formats every source file
  lint [--all]               formatting, layers, headers that compile alone, clang-tidy: on what changed, or on everything
  ide                        writes compile_commands.json

Environment: SLUICE_LINT_BASE, the commit that `lint` compares with (origin/main where there is one).
END
}

fail() {
  echo "do: $*" >&2
  exit 1
}

# ---- what is installed ------------------------------------------------------------------------------------------------

# Debian 12's packages, with the upstream versions that Sluice is made for.
BUILD_PACKAGES="bazel-bootstrap=4.2.3 bazel-rules-java=4 bazel-rules-proto=4 bazel-skylib=1.0.3 bazel-platforms=0.0.2
  g++=12 lld=14 git python3 python3-pip ca-certificates
  protobuf-compiler=3.21 protobuf-compiler-grpc=1.51 libprotobuf-dev=3.21 libgrpc++-dev=1.51
  libabsl-dev=20220623 libevent-dev=2.1 libspdlog-dev=1.10 libfmt-dev=9 libyaml-cpp-dev=0.7
  libc-ares-dev=1.18 libre2-dev libpcre2-dev=10 libnghttp2-dev=1.52 libjemalloc-dev=5.3 libxxhash-dev=0.8
  zlib1g-dev=1.2 libbrotli-dev=1.0"
TEST_PACKAGES="libgtest-dev=1.12 libgmock-dev=1.12 libbenchmark-dev=1.7 clang-format-16=16 iptables=1.8"
BENCH_PACKAGES="libbenchmark-dev=1.7"
FUZZ_PACKAGES="clang-16=16 libclang-rt-16-dev=16"
FORMAT_PACKAGES="git python3 clang-format-16=16"
LINT_PACKAGES="clang-format-16=16 clang-tidy-16=16 libgtest-dev=1.12 libgmock-dev=1.12 libbenchmark-dev=1.7"

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "installing packages needs root: run ./do setup as root once, or install sudo"
  fi
}

# Those of the NAME=VERSION that are not installed in that version, without their versions.
missing() {
  local have spec name want
  have=$(dpkg-query -W -f '${Package} ${db:Status-Status} ${Version}\n' 2>/dev/null || true)
  for spec in "$@"; do
    name=${spec%%=*} want=${spec#"$name"} want=${want#=}
    awk -v name="$name" -v want="$want" '
      $1 == name && $2 == "installed" { v = $3; sub(/^[0-9]+:/, "", v); if (index(v, want) == 1) found = 1 }
      END { exit !found }' <<<"$have" || echo "$name"
  done
}

# install WHY NAME=VERSION...
install() {
  local why=$1 packages
  shift
  packages=$(missing "$@" | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  if ! grep -q '^VERSION_ID="12"' /etc/os-release 2>/dev/null || ! grep -q '^ID=debian' /etc/os-release; then
    fail "needs Debian 12's packages, and these are missing here: $packages
    Use a Debian 12 machine or container (docker run -it -v \"\$PWD\":/sluice -w /sluice debian:12 ./do $VERB)."
  fi
  echo "do: installing $packages: $why"
  local log
  log=$(mktemp)
  if ! as_root apt-get update -qq >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    fail "'apt-get update' failed: check the network and /etc/apt/sources.list, then run ./do $VERB again"
  fi
  # shellcheck disable=SC2086
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "'apt-get install' failed (all of it: $log): mend what it names ('apt-get -f install' often does), then run ./do $VERB again"
  fi
  rm -f "$log"
  packages=$(missing "$@" | tr '\n' ' ')
  [ -z "$packages" ] || fail "the package sources have other versions than Debian 12's of: $packages"
}

setup_build() { install "the compiler, the build tool and the libraries that Sluice is made of" $BUILD_PACKAGES; }
setup_test() {
  setup_build
  install "what the tests are written with, and the formatter that they check with" $TEST_PACKAGES
}

# ---- Bazel ------------------------------------------------------------------------------------------------------------

bazel_() {
  local verb=$1
  shift
  local progress=()
  [ -t 2 ] || progress=(--show_progress_rate_limit=10 --noshow_loading_progress --curses=no)
  bazel "$verb" "${progress[@]}" "$@"
}

# A server that nobody will speak to again is not left behind.
finish() {
  if [ "${CI:-}" = true ] && command -v bazel >/dev/null; then bazel shutdown >/dev/null 2>&1 || true; fi
}
trap finish EXIT

announce_build() {
  [ -e bazel-bin ] || echo "do: the first build compiles the xDS API and takes about ten minutes on two cores; later ones take seconds"
}

# ---- the verbs --------------------------------------------------------------------------------------------------------

do_setup() {
  setup_test
  install "the linter" $LINT_PACKAGES
  echo "do: downloading the xDS API's package (xds-protos, from PyPI, pinned in api/xds.bzl)"
  bazel_ build @xds_api//:xds_api.binpb || fail "the line above that starts with 'Error' says why; 'pip download xds-protos' should work here"
  echo "do: ready; try ./do demo"
}

do_build() {
  setup_build
  announce_build
  bazel_ build "$@" //source:sluice || fail "the build failed: the compiler's message is above"
  echo "bazel-bin/source/sluice: $(bazel-bin/source/sluice --version 2>/dev/null | sed -n 's/.*version: //p')"
}

do_demo() {
  setup_build
  announce_build
  bazel_ build //source:sluice //control_plane_mock/... || fail "the build failed: the compiler's message is above"
  control_plane_mock/demo.sh "$@"
}

# The checks that take seconds. Leaves their numbers in checks_passed and checks_failed.
quick_checks() {
  local check
  checks_passed=0 checks_failed=0
  for check in style layers listed; do
    if python3 tools/lint.py "$check"; then
      checks_passed=$((checks_passed + 1))
    else
      checks_failed=$((checks_failed + 1))
      echo "do: the check of '$check' failed"
    fi
  done
}

do_test() {
  setup_test
  announce_build
  local options=() targets=() filters=() argument found
  for argument in "$@"; do
    case $argument in
      --*) options+=("$argument") ;;
      //*) targets+=("$argument") ;;
      *) if [ -d "$argument" ]; then targets+=("//${argument%/}/..."); else filters+=("$argument"); fi ;;
    esac
  done
  if [ ${#filters[@]} -gt 0 ]; then
    local all
    all=$(bazel query --noshow_progress 'tests(//...)' 2>/dev/null) || fail "the BUILD files do not load: bazel query 'tests(//...)' says why"
    for argument in "${filters[@]}"; do
      found=$(grep -F -- "$argument" <<<"$all" || true)
      [ -n "$found" ] || fail "no test target's name holds '$argument'; bazel query 'tests(//...)' lists them all"
      mapfile -t -O ${#targets[@]} targets <<<"$found"
    done
  fi
  [ ${#targets[@]} -gt 0 ] || targets=(//...)

  quick_checks
  local events bazel_status=0 status=0
  events=$(mktemp)
  # --keep_going, so that one failure hides no other.
  bazel_ test --keep_going --build_event_json_file="$events" "${options[@]}" -- "${targets[@]}" || bazel_status=$?
  python3 tools/test_report.py "$events" "$bazel_status" "$checks_passed" "$checks_failed" || status=$?
  rm -f "$events"
  return $status
}

do_bench() {
  setup_build
  install "the library that the microbenchmarks are written with" $BENCH_PACKAGES
  announce_build
  local benches bench ran=0
  benches=$(bazel query --noshow_progress 'kind(cc_binary, //bench/...)' 2>/dev/null) || fail "bench/ has no benchmarks that load: bazel query //bench/... says why"
  bazel_ build //bench/... || fail "the build failed: the compiler's message is above"
  for bench in $benches; do
    if [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qxF -- "${bench##*:}"; then continue; fi
    echo "== ${bench##*:}"
    bench=${bench#//}
    "bazel-bin/${bench/://}"
    ran=1
  done
  [ $ran = 1 ] || fail "no benchmark of these names; there are: $(sed 's/.*://' <<<"$benches" | tr '\n' ' ')"
}

do_fuzz() {
  local keep=0 target="" seconds=60 argument name targets corpus found crashes status failed=()
  for argument in "$@"; do
    case $argument in
      --keep) keep=1 ;;
      *[!0-9]*) target=${argument%_fuzzer} ;;
      *) seconds=$argument ;;
    esac
  done
  setup_build
  install "the compiler that has libFuzzer, with its sanitizers" $FUZZ_PACKAGES
  targets=$(bazel query --noshow_progress 'kind(cc_binary, //test/fuzz:all)' 2>/dev/null) || fail "test/fuzz does not load: bazel query //test/fuzz/... says why"
  targets=$(sed 's/.*://; s/_fuzzer$//' <<<"$targets" | sort)
  if [ -n "$target" ]; then
    grep -qxF -- "$target" <<<"$targets" || fail "no fuzz target '$target'; there are: $(tr '\n' ' ' <<<"$targets")"
    targets=$target
  fi
  echo "do: building with clang and sanitizers; the first time takes some minutes"
  # shellcheck disable=SC2046
  bazel_ build --config=fuzz $(sed 's|.*|//test/fuzz:&_fuzzer|' <<<"$targets") || fail "the build failed: the compiler's message is above"
  for name in $targets; do
    corpus=test/fuzz/corpus/$name
    # What earlier runs have found is where the next one goes on, outside of the tree.
    found=$HOME/.cache/sluice/fuzz/$name crashes=fuzz-crashes/$name
    mkdir -p "$found" "$corpus" "$crashes"
    echo "== $name, for $seconds seconds"
    status=0
    "bazel-bin/test/fuzz/${name}_fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=4096 \
      -print_final_stats=1 -artifact_prefix="$crashes/" "$found" "$corpus" || status=$?
    if [ $status != 0 ]; then
      failed+=("$name")
      continue
    fi
    rmdir -p --ignore-fail-on-non-empty "$crashes"
    if [ $keep = 1 ]; then keep_corpus "$name" "$corpus" "$found"; fi
  done
  [ ${#failed[@]} = 0 ] || fail "found by ${failed[*]}: see the report above and the input in fuzz-crashes/; to run one again:
    bazel-bin/test/fuzz/TARGET_fuzzer fuzz-crashes/TARGET/FILE
    Once it is mended, keep the input in test/fuzz/corpus/TARGET under a name that says what it is."
  echo "do: nothing was found"
}

# keep_corpus NAME CORPUS FOUND: adds to CORPUS as few inputs of FOUND as reach what its own do not.
keep_corpus() {
  local new file
  new=$(mktemp -d)
  cp -- "$2"/* "$new"/ 2>/dev/null || true
  "bazel-bin/test/fuzz/${1}_fuzzer" -set_cover_merge=1 -use_counters=0 -use_cmp=0 -timeout=20 "$new" "$3" 2>/dev/null || fail "merging the corpus of $1 failed"
  for file in "$new"/*; do cp -n -- "$file" "$2"/; done
  rm -rf "$new"
  echo "do: test/fuzz/corpus/$1 holds $(find "$2" -type f | wc -l) files, $(du -sb "$2" | cut -f1) bytes"
}

do_format() {
  install "the formatter" $FORMAT_PACKAGES
  git ls-files --cached --others --exclude-standard -- '*.h' '*.cc' | xargs -r clang-format-16 -i
}

# The files that differ from the base, committed or not.
changed() {
  local base=${SLUICE_LINT_BASE:-}
  [ -n "$base" ] || base=$(git merge-base HEAD origin/main 2>/dev/null) || base=HEAD
  { git diff --name-only --diff-filter=d "$base" -- '*.h' '*.cc'; git ls-files --others --exclude-standard -- '*.h' '*.cc'; } | sort -u
}

do_lint() {
  setup_test
  install "the linter" $LINT_PACKAGES
  local files failed=0
  if [ "${1:-}" = --all ]; then files=$(git ls-files --cached --others --exclude-standard -- '*.h' '*.cc'); else files=$(changed); fi
  quick_checks
  failed=$checks_failed
  if [ -n "$files" ]; then
    bazel_ build //api:cc_proto //api:cc_grpc || fail "the generated API did not build: the message is above"
    echo "do: compiling headers alone, and clang-tidy, on $(wc -l <<<"$files") files"
    # shellcheck disable=SC2086
    python3 tools/lint.py headers $files || failed=$((failed + 1))
    # shellcheck disable=SC2086
    python3 tools/lint.py tidy $files || failed=$((failed + 1))
  fi
  [ "$failed" = 0 ] || fail "lint found the above"
  echo "do: lint is clean"
}

do_ide() {
  setup_test
  bazel_ build //api:cc_proto //api:cc_grpc || fail "the generated API did not build: the message is above"
  local actions
  actions=$(mktemp)
  bazel aquery --noshow_progress --include_artifacts=false --output=jsonproto 'mnemonic("CppCompile", deps(//...))' >"$actions" ||
    fail "Bazel could not say how each file is compiled: its message is above"
  python3 tools/compile_commands.py <"$actions" >compile_commands.json
  rm -f "$actions"
  echo "do: compile_commands.json holds $(grep -c '"file"' compile_commands.json) files"
}

VERB=${1:-}
[ $# = 0 ] || shift
case $VERB in
  setup | build | demo | test | bench | fuzz | format | lint | ide) "do_$VERB" "$@" ;;
  "" | help | -h | --help) usage ;;
  *)
    usage >&2
    fail "there is no verb '$VERB'"
    ;;
esac
