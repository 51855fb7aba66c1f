#!/usr/bin/env bash
# That the checks find what they are for, and that the count of test cases loses none.
set -euo pipefail
lint=$(readlink -f tools/lint.py) report=$(readlink -f tools/test_report.py)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "$*"
  exit 1
}

# file PATH INCLUDED...
file() {
  mkdir -p "$(dirname "$1")"
  for included in "${@:2}"; do echo "#include \"$included\""; done >"$1"
}

file source/net/a.h source/base/a.h source/net/b.h
file source/net/b.h source/xds/a.h
file source/http/a.h source/listener/a.h
file source/xds/a.h test/support/fake.h
file source/listener/a.h
file source/listener/main_side.h source/listener/a.h
file source/listener/worker_side.h source/listener/main_side.h
file source/base/a.h
file test/support/fake.h source/server/a.h
for folder in net http xds base; do
  echo 'cc_library(name = "x", hdrs = ["a.h"])' >"source/$folder/BUILD.bazel"
done
cat >source/listener/BUILD.bazel <<'END'
cc_library(name = "listener", hdrs = ["a.h", "main_side.h"])
cc_library(name = "worker", hdrs = ["worker_side.h"])
END
echo 'cc_library(name = "fake", hdrs = ["fake.h"])' >test/support/BUILD.bazel
git init -q .

layers=$(python3 "$lint" layers) && fail "lint found no include that goes upward"
diff - <(sort <<<"$layers") <<'END' || fail "lint's complaints about layers are not these"
source/http/a.h:1: http includes source/listener/a.h, which is a sibling of it
source/listener/worker_side.h:1: the worker side of listener includes source/listener/main_side.h of the main side
source/net/b.h:1: net includes source/xds/a.h, which is above it
source/xds/a.h:1: the product includes test/support/fake.h, which is not part of it
END
listed=$(python3 "$lint" listed) && fail "lint found no unlisted file"
[ "$listed" = "source/net/b.h:1: no target of source/net/BUILD.bazel lists it" ] || fail "unlisted: $listed"

cat >good.xml <<'END'
<testsuites name="AllTests"><testsuite name="S">
<testcase name="A" classname="S" status="run" result="completed"/>
<testcase name="B" classname="S" status="run" result="completed"><failure message="x"/></testcase>
<testcase name="C" classname="S" status="run" result="skipped"/>
</testsuite></testsuites>
END
cat >crashed.xml <<'END'
<testsuites><testsuite name="t/crash"><testcase name="t/crash" status="run"><error message="134"/></testcase></testsuite></testsuites>
END
cat >events.json <<END
{"id":{"targetConfigured":{"label":"//t:good"}},"configured":{"testSize":"SMALL"}}
{"id":{"targetConfigured":{"label":"//t:crash"}},"configured":{"testSize":"SMALL"}}
{"id":{"targetConfigured":{"label":"//t:unbuilt"}},"configured":{"testSize":"SMALL"}}
{"id":{"targetConfigured":{"label":"//t:unrun"}},"configured":{"testSize":"SMALL"}}
{"id":{"targetCompleted":{"label":"//t:unbuilt"}},"completed":{}}
{"id":{"testResult":{"label":"//t:good","run":1}},"testResult":{"status":"FAILED","testActionOutput":[{"name":"test.xml","uri":"file://$work/good.xml"}]}}
{"id":{"testResult":{"label":"//t:crash","run":1}},"testResult":{"status":"FAILED","testActionOutput":[{"name":"test.xml","uri":"file://$work/crashed.xml"}]}}
END
counted=$(python3 "$report" events.json 1 3 0) && fail "a failed case left the exit status 0"
for line in "//t:good: S.B" "//t:crash: ended as FAILED" "//t:unbuilt: did not build" "//t:unrun: did not run"; do
  grep -qF "  $line" <<<"$counted" || fail "the report does not list $line: $counted"
done
[ "$(tail -n 1 <<<"$counted")" = "4 passed, 4 failed" ] || fail "wrong count: $counted"
: >events.json
[ "$(python3 "$report" events.json 1 0 0 | tail -n 1)" = "0 passed, 1 failed" ] || fail "a build that never began counts as green"
