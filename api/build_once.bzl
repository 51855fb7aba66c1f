"""Builds a C++ library the same way in every configuration, so that a sanitizer's build takes it from the plain one."""

def _plain_impl(_settings, _attr):
    return {
        "//command_line_option:copt": ["-O1", "-g0", "-DNDEBUG", "-fno-omit-frame-pointer"],
        "//command_line_option:linkopt": ["-fuse-ld=lld"],
        "//command_line_option:per_file_copt": [],
        "//command_line_option:platform_suffix": "",
    }

_plain = transition(
    implementation = _plain_impl,
    inputs = [],
    outputs = [
        "//command_line_option:copt",
        "//command_line_option:linkopt",
        "//command_line_option:per_file_copt",
        "//command_line_option:platform_suffix",
    ],
)

def _build_once_impl(ctx):
    return [
        cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps]),
        DefaultInfo(files = depset(transitive = [dep[DefaultInfo].files for dep in ctx.attr.deps])),
    ]

build_once = rule(
    implementation = _build_once_impl,
    attrs = {
        "deps": attr.label_list(cfg = _plain, providers = [CcInfo]),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
    doc = """Hands on the deps, built without whatever sanitizer the build asks for.

    Only for code that is as well left out: the generated protos, whose library (Debian's libprotobuf) is not instrumented
    either. A sanitizer still sees what our code does with the objects: their memory comes from its allocator.""",
)
