"""The official v3 xDS API: where it comes from, and which of it C++ is generated for."""

# C++ is generated for these and for all that they import; everything else is read with DynamicMessage from the embedded
# descriptor set.
GENERATED_ROOTS = [
    "envoy/admin/v3/*",
    "envoy/config/accesslog/v3/*",
    "envoy/config/bootstrap/v3/*",
    "envoy/config/cluster/v3/*",
    "envoy/config/core/v3/*",
    "envoy/config/endpoint/v3/*",
    "envoy/config/listener/v3/*",
    "envoy/extensions/access_loggers/file/v3/*",
    "envoy/extensions/access_loggers/stream/v3/*",
    "envoy/extensions/filters/network/direct_response/v3/*",
    "envoy/extensions/filters/network/echo/v3/*",
    "envoy/extensions/filters/network/tcp_proxy/v3/*",
    "envoy/extensions/load_balancing_policies/random/v3/*",
    "envoy/extensions/load_balancing_policies/round_robin/v3/*",
    "envoy/extensions/transport_sockets/raw_buffer/v3/*",
    "envoy/extensions/upstreams/http/v3/*",
    "envoy/service/cluster/v3/*",
    "envoy/service/discovery/v3/*",
    "envoy/service/endpoint/v3/*",
    "envoy/service/listener/v3/*",
    "envoy/type/v3/*",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "udpa/annotations/*",
    "udpa/type/v1/*",
    "validate/validate.proto",
    "xds/annotations/v3/*",
    "xds/type/v3/*",
]

# Of the generated files, those whose gRPC service Sluice or its tests speak.
GRPC_SERVICES = ["envoy/service/discovery/v3/ads"]

_PACKAGE = "xds-protos"
_VERSION = "1.85.0"
_SHA256 = "e1e7bfd9936389936b2c85660d9db0dae380f12678a594b983da40dd472f1760"

def _run(repository_ctx, arguments, doing, advice):
    result = repository_ctx.execute(arguments, timeout = 600)
    if result.return_code != 0:
        fail("%s failed; %s\n%s%s" % (doing, advice, result.stdout, result.stderr))

def _tool(repository_ctx, name, package):
    path = repository_ctx.which(name)
    if not path:
        fail("%s is not installed; run ./do setup, or apt-get install %s" % (name, package))
    return path

def _xds_api_impl(repository_ctx):
    python = _tool(repository_ctx, "python3", "python3")
    protoc = _tool(repository_ctx, "protoc", "protobuf-compiler")
    wheel = "%s-%s-py3-none-any.whl" % (_PACKAGE.replace("-", "_"), _VERSION)

    # pip checks the hash whether the file comes from its index or from the cache of an earlier build.
    cache = repository_ctx.os.environ["HOME"] + "/.cache/sluice/pip"
    repository_ctx.file("requirements.txt", "%s==%s --hash=sha256:%s\n" % (_PACKAGE, _VERSION, _SHA256))
    pip = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    pip += ["--requirement", "requirements.txt", "--dest", "."]
    cached = repository_ctx.execute(pip + ["--no-index", "--find-links", cache])
    if cached.return_code != 0:
        _run(repository_ctx, pip, "downloading %s %s with pip" % (_PACKAGE, _VERSION), "run ./do setup, which says why")
        repository_ctx.execute(["sh", "-c", 'mkdir -p "$1" && cp "$2" "$1/"', "sh", cache, wheel])

    _run(
        repository_ctx,
        [
            "sh",
            "-c",
            'cd /usr/include && "$0" -I. --descriptor_set_out="$1" google/protobuf/*.proto',
            protoc,
            repository_ctx.path("well_known.binpb"),
        ],
        "reading google/protobuf/*.proto",
        "apt-get install libprotobuf-dev",
    )
    _run(
        repository_ctx,
        [python, repository_ctx.path(repository_ctx.attr._extract), wheel, "well_known.binpb", "xds_api.binpb", "generated.bzl"] +
        GENERATED_ROOTS,
        "extracting the descriptors of %s" % _PACKAGE,
        "the version pinned in api/xds.bzl may not fit",
    )
    repository_ctx.delete(wheel)
    repository_ctx.file("BUILD.bazel", 'exports_files(["xds_api.binpb"])\n')

xds_api = repository_rule(
    implementation = _xds_api_impl,
    attrs = {
        "_extract": attr.label(default = "//api:extract_descriptors.py", allow_single_file = True),
    },
    doc = "@xds_api: xds_api.binpb, the complete API as one FileDescriptorSet, and generated.bzl, what C++ is made for.",
)
