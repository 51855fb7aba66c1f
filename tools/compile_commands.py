"""Turns `bazel aquery --output=jsonproto` of the C++ compilations (on stdin) into compile_commands.json (on stdout)."""

import json
import os
import sys

# What GCC takes and clang's tools do not.
UNKNOWN_TO_CLANG = {"-fno-canonical-system-headers", "-Wno-free-nonheap-object", "-Wunused-but-set-parameter", "-Werror"}

commands = {}
for action in json.load(sys.stdin).get("actions", []):
    arguments = [a for a in action["arguments"] if a not in UNKNOWN_TO_CLANG]
    source = arguments[arguments.index("-c") + 1]
    commands[source] = {"directory": os.getcwd(), "file": source, "arguments": arguments}
json.dump([commands[source] for source in sorted(commands)], sys.stdout, indent=1)
