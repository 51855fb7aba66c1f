"""Counts test cases over all targets of one `bazel test`, as GoogleTest reports them.

    test_report.py EVENTS BAZEL_STATUS CHECKS_PASSED CHECKS_FAILED

EVENTS is what --build_event_json_file wrote: it names each target that was asked for, whether it was built, and where its
test.xml lies, cached results included. A target that did not build counts as one failed case, and so does a test that
crashed or timed out before it could report. BAZEL_STATUS is how bazel ended: a failure of its own is one too. Lists the failed cases by name; the last line is "N passed, N failed", the
quick checks' numbers included.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree


def read_events(path):
    unbuilt, results, configured, aborted = [], {}, set(), []
    with open(path, encoding="utf-8") as events:
        for line in events:
            event = json.loads(line)
            name, of = next(iter(event["id"].items()))
            if name == "targetConfigured" and "testSize" in event.get("configured", {}):
                configured.add(of["label"])
            elif name == "targetCompleted" and not event.get("completed", {}).get("success"):
                unbuilt.append(of["label"])
            elif name == "testResult":
                result = event["testResult"]
                uris = [o["uri"] for o in result.get("testActionOutput", []) if o["name"] == "test.xml"]
                results[of["label"], of.get("shard"), of.get("run")] = result["status"], uris[0] if uris else None
            elif "aborted" in event and event["aborted"].get("reason") not in ("SKIPPED", "NO_ANALYZE", "NO_BUILD"):
                aborted.append(f"{of.get('label', name)}: {event['aborted'].get('description') or event['aborted'].get('reason')}")
    return unbuilt, results, configured, aborted


def cases_of(uri):
    """The (name, passed) of each case in a test.xml that GoogleTest wrote, without skipped ones; else None."""
    if uri is None:
        return None
    try:
        root = xml.etree.ElementTree.parse(urllib.parse.unquote(urllib.parse.urlparse(uri).path)).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return None
    if root.get("name") != "AllTests":
        return None  # Bazel's stand-in for a test that wrote nothing
    found = []
    for case in root.iter("testcase"):
        if case.get("status") == "notrun" or case.get("result") in ("skipped", "suppressed"):
            continue
        found.append((f"{case.get('classname')}.{case.get('name')}", case.find("failure") is None and case.find("error") is None))
    return found


def main():
    unbuilt, results, configured, aborted = read_events(sys.argv[1])
    passed, failed = int(sys.argv[3]), int(sys.argv[4])
    complaints = [f"{label}: did not build" for label in sorted(set(unbuilt))]
    complaints += [f"{label}: did not run" for label in sorted(configured - {key[0] for key in results} - set(unbuilt))]
    for (label, _, _), (status, uri) in sorted(results.items(), key=str):
        cases = cases_of(uri)
        broken = [name for name, good in cases or () if not good]
        passed += len(cases or ()) - len(broken)
        complaints += [f"{label}: {name}" for name in broken]
        if status == "PASSED" and cases is None:
            passed += 1  # a test that is no GoogleTest is one case
        elif status != "PASSED" and not broken:
            complaints.append(f"{label}: ended as {status}; its log is in bazel-testlogs")
    if not complaints and (sys.argv[2] != "0" or not results):
        complaints += aborted or [f"bazel ended with status {sys.argv[2]}; its message is above" if sys.argv[2] != "0" else "no test ran"]
    if complaints:
        print("\nFailed:")
        for complaint in complaints:
            print(f"  {complaint}")
    failed += len(complaints)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
