"""Fuzz targets: each is run over its corpus by a plain test, and by libFuzzer where `./do fuzz` builds with clang."""

def fuzz_target(name, srcs, deps):
    """Makes <name>_fuzz (the target's code), <name>_replay_test and <name>_fuzzer.

    Args:
      name: what `./do fuzz` calls it; its inputs are in corpus/<name>.
      srcs: its code.
      deps: what the code needs.
    """
    native.cc_library(
        name = name + "_fuzz",
        testonly = True,
        srcs = srcs,
        deps = deps,
        alwayslink = True,
    )
    native.cc_test(
        name = name + "_replay_test",
        size = "small",
        args = ["test/fuzz/corpus/" + name],
        data = native.glob(["corpus/%s/*" % name]),
        deps = [
            ":%s_fuzz" % name,
            ":replay_main",
            "//third_party:sanitizer_options",
        ],
    )

    # Static, so that every object of ours that it takes was made by the one compiler, and is in the coverage's map.
    native.cc_binary(
        name = name + "_fuzzer",
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        linkstatic = True,
        tags = ["manual"],
        deps = [
            ":%s_fuzz" % name,
            "//third_party:sanitizer_options",
        ],
    )
