"""The checks of `./do lint`. Prints each complaint as FILE:LINE: TEXT; the exit status says whether there was any.

    lint.py layers            includes go downward only, as docs/architecture.md draws the layers
    lint.py listed            every source file belongs to a target of its folder's BUILD.bazel
    lint.py style             formatting, as .clang-format has it
    lint.py headers FILE...   each header compiles alone
    lint.py tidy FILE...      clang-tidy
"""

import ast
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

FOLDERS = ("source", "test", "control_plane_mock", "bench", "api")
SUFFIXES = (".h", ".cc")

# Lowest first. Folders on one line are siblings, which never include each other.
LAYERS = (
    ("base",),
    ("stats",),
    ("event",),
    ("thread",),
    ("config",),
    ("runtime",),
    ("matcher",),
    ("net",),
    ("xds",),
    ("tls",),
    ("access_log",),
    ("http", "listener"),
    ("cluster",),
    ("grpc",),
    ("filters", "wasm"),
    ("admin",),
    ("server",),
)
RANK = {folder: rank for rank, layer in enumerate(LAYERS) for folder in layer}

# In these, the main side may include the worker side, never the reverse. The worker side is the files of the targets
# whose names end with this word.
TWO_SIDED = ("cluster", "listener")
WORKER_SIDE = "worker"

INCLUDE = re.compile(r'\s*#\s*include\s*"((?:source|test|control_plane_mock|bench)/[^"]+)"')
COMPILER = ["-std=c++20", "-I.", "-Wall", "-Wextra", "-Wno-unused-function"]
SPDLOG = ["-DSPDLOG_COMPILED_LIB", "-DSPDLOG_FMT_EXTERNAL", "-DSPDLOG_SHARED_LIB", "-DPCRE2_CODE_UNIT_WIDTH=8"]


def sources():
    """Every C++ file of the tree, whether git knows it yet or not."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *FOLDERS],
        check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted({f for f in listing if f.endswith(SUFFIXES) and os.path.exists(f)})


def includes(path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1)


def targets(build_file):
    """The cc_* targets of a BUILD.bazel: name and the files that they list. Its Starlark is run as Python."""
    with open(build_file, encoding="utf-8") as f:
        tree = ast.parse(f.read(), build_file)
    found = []

    class Anything(list):
        """A rule, or a constant that another file defines, which names no file of this folder."""

        def __call__(self, *_, name=None, **fields):
            files = set()
            for field in ("srcs", "hdrs", "textual_hdrs"):
                files |= set(fields.get(field) or ())
            if name:
                found.append((name, files))
            return self

    def glob(patterns, exclude=(), **_):
        folder = pathlib.Path(build_file).parent
        matching = lambda these: {str(p.relative_to(folder)) for pattern in these for p in folder.glob(pattern)}
        return sorted(matching(patterns) - matching(exclude))

    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    scope = dict.fromkeys(names - {"True", "False", "None", "len", "range", "dict"}, Anything())
    scope |= {"glob": glob, "select": lambda cases, **_: sorted(set().union(*map(set, cases.values())))}
    exec(compile(tree, build_file, "exec"), scope)
    yield from found


def build_file_of(path):
    """The BUILD.bazel that a file belongs to, and its name there."""
    for parent in pathlib.PurePath(path).parents:
        build_file = os.path.join(parent, "BUILD.bazel")
        if os.path.exists(build_file):
            return build_file, os.path.relpath(path, parent)
    return None, path


def worker_side(folder):
    files = set()
    for build_file in pathlib.Path("source", folder).rglob("BUILD.bazel"):
        for name, listed in targets(build_file):
            if name == WORKER_SIDE or name.endswith("_" + WORKER_SIDE):
                files |= {str(build_file.parent / f) for f in listed}
    return files


def check_layers():
    workers = {folder: worker_side(folder) for folder in TWO_SIDED}
    for path in sources():
        parts = path.split("/")
        if parts[0] != "source" or len(parts) < 3:
            continue
        folder = parts[1]
        if folder not in RANK:
            yield f"{path}:1: the folder source/{folder} is not one of the layers in tools/lint.py"
            continue
        for line, included in includes(path):
            target = included.split("/")
            if target[0] != "source":
                yield f"{path}:{line}: the product includes {included}, which is not part of it"
            elif target[1] == folder:
                if folder in TWO_SIDED and path in workers[folder] and included not in workers[folder]:
                    yield f"{path}:{line}: the worker side of {folder} includes {included} of the main side"
            elif target[1] not in RANK:
                yield f"{path}:{line}: {included} is in no layer"
            elif RANK[target[1]] >= RANK[folder]:
                relation = "above" if RANK[target[1]] > RANK[folder] else "a sibling of"
                yield f"{path}:{line}: {folder} includes {included}, which is {relation} it"


def check_listed():
    listed = {}
    for path in sources():
        build_file, name = build_file_of(path)
        if build_file is None:
            yield f"{path}:1: no BUILD.bazel above it"
            continue
        if build_file not in listed:
            listed[build_file] = set().union(*(files for _, files in targets(build_file)))
        if name not in listed[build_file]:
            yield f"{path}:1: no target of {build_file} lists it"


def in_parallel(check, items):
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for found in pool.map(check, items):
            yield from found


def check_style():
    def check(batch):
        result = subprocess.run(["clang-format-16", "--dry-run", *batch], capture_output=True, text=True)
        files = dict.fromkeys(m.group(1) for m in re.finditer(r"^([^:\n]+):(\d+):\d+: ", result.stderr, re.M))
        for path in files:
            line = re.search(rf"^{re.escape(path)}:(\d+):", result.stderr, re.M).group(1)
            yield f"{path}:{line}: not formatted; run ./do format"
        if result.returncode != 0 and not files:
            yield f"clang-format-16: {result.stderr.strip()}"

    files = sources()
    yield from in_parallel(check, [files[i : i + 20] for i in range(0, len(files), 20)])


def generated_includes():
    """Where the build leaves the generated API, as compile_commands.json would have it."""
    found = sorted(pathlib.Path().glob("bazel-out/*/bin/api/gen"), key=lambda p: p.stat().st_mtime)
    return ["-isystem", str(found[-1])] if found else []


def check_headers(files):
    def check(path):
        command = ["g++", *COMPILER, *SPDLOG, *generated_includes(), "-fsyntax-only", "-x", "c++", path]
        result = subprocess.run(command, capture_output=True, text=True)
        errors = [e for e in result.stderr.splitlines() if ": error: " in e or "fatal error: " in e]
        if result.returncode != 0:
            yield f"{path}:1: does not compile alone: {errors[0] if errors else result.stderr.strip()}"

    yield from in_parallel(check, [f for f in files if f.endswith(".h")])


def check_tidy(files):
    def check(path):
        command = ["clang-tidy-16", "--quiet", "--warnings-as-errors=*", path, "--", *COMPILER, *SPDLOG]
        result = subprocess.run(command + generated_includes(), capture_output=True, text=True)
        if result.returncode != 0:
            found = [l for l in result.stdout.splitlines() if re.search(r": (warning|error): ", l)]
            yield from (l.replace(os.getcwd() + "/", "") for l in found or [f"{path}:1: {result.stderr.strip()}"])

    yield from in_parallel(check, [f for f in files if f.endswith(".cc")])


def main():
    verb, files = sys.argv[1], sys.argv[2:]
    checks = {
        "layers": check_layers,
        "listed": check_listed,
        "style": check_style,
        "headers": lambda: check_headers(files),
        "tidy": lambda: check_tidy(files),
    }
    failed = False
    for complaint in checks[verb]():
        print(complaint, flush=True)
        failed = True
    sys.exit(failed)


main()
