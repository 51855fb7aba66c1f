"""The clang toolchain that fuzzers are built with, beside Bazel's own, which is GCC's: one build can then use both."""

load("@bazel_tools//tools/cpp:cc_configure.bzl", "cc_autoconf_impl")

def _clang_impl(repository_ctx):
    clang = repository_ctx.which("clang-16")
    if not clang:
        # Only what asks for it fails.
        repository_ctx.file("BUILD.bazel", "")
        return
    cc_autoconf_impl(repository_ctx, {"gcc": str(clang)})

clang = repository_rule(
    implementation = _clang_impl,
    doc = "@clang//:toolchain, for --crosstool_top. Needs Debian's clang-16, which ./do fuzz installs.",
    local = True,
)
