"""The official v3 xDS API: where it comes from, and which of it C++ is generated for."""

# C++ is generated for these and for all that they import; everything else is read with DynamicMessage from the embedded
# descriptor set.
GENERATED_ROOTS = [
    "envoy/admin/v3/*",
    "envoy/config/accesslog/v3/*",
    "envoy/config/bootstrap/v3/*",
    "envoy/config/cluster/v3/*",
    "envoy/config/common/matcher/v3/*",
    "envoy/config/core/v3/*",
    "envoy/config/endpoint/v3/*",
    "envoy/config/listener/v3/*",
    "envoy/config/rbac/v3/*",
    "envoy/config/route/v3/*",
    "envoy/data/accesslog/v3/*",
    "envoy/extensions/access_loggers/file/v3/*",
    "envoy/extensions/access_loggers/grpc/v3/*",
    "envoy/extensions/access_loggers/stream/v3/*",
    "envoy/extensions/common/ratelimit/v3/*",
    "envoy/extensions/compression/brotli/compressor/v3/*",
    "envoy/extensions/compression/gzip/compressor/v3/*",
    "envoy/extensions/filters/common/set_filter_state/v3/*",
    "envoy/extensions/filters/http/buffer/v3/*",
    "envoy/extensions/filters/http/compressor/v3/*",
    "envoy/extensions/filters/http/cors/v3/*",
    "envoy/extensions/filters/http/ext_authz/v3/*",
    "envoy/extensions/filters/http/fault/v3/*",
    "envoy/extensions/filters/http/grpc_stats/v3/*",
    "envoy/extensions/filters/http/grpc_web/v3/*",
    "envoy/extensions/filters/http/header_mutation/v3/*",
    "envoy/extensions/filters/http/health_check/v3/*",
    "envoy/extensions/filters/http/jwt_authn/v3/*",
    "envoy/extensions/filters/http/local_ratelimit/v3/*",
    "envoy/extensions/filters/http/rbac/v3/*",
    "envoy/extensions/filters/http/router/v3/*",
    "envoy/extensions/filters/http/set_filter_state/v3/*",
    "envoy/extensions/filters/listener/http_inspector/v3/*",
    "envoy/extensions/filters/listener/local_ratelimit/v3/*",
    "envoy/extensions/filters/listener/original_dst/v3/*",
    "envoy/extensions/filters/listener/original_src/v3/*",
    "envoy/extensions/filters/listener/proxy_protocol/v3/*",
    "envoy/extensions/filters/listener/tls_inspector/v3/*",
    "envoy/extensions/filters/network/direct_response/v3/*",
    "envoy/extensions/filters/network/echo/v3/*",
    "envoy/extensions/filters/network/ext_authz/v3/*",
    "envoy/extensions/filters/network/http_connection_manager/v3/*",
    "envoy/extensions/filters/network/rbac/v3/*",
    "envoy/extensions/filters/network/set_filter_state/v3/*",
    "envoy/extensions/filters/network/tcp_proxy/v3/*",
    "envoy/extensions/formatter/metadata/v3/*",
    "envoy/extensions/formatter/req_without_query/v3/*",
    "envoy/extensions/http/early_header_mutation/header_mutation/v3/*",
    "envoy/extensions/http/header_formatters/preserve_case/v3/*",
    "envoy/extensions/http/original_ip_detection/custom_header/v3/*",
    "envoy/extensions/http/original_ip_detection/xff/v3/*",
    "envoy/extensions/internal_redirect/allow_listed_routes/v3/*",
    "envoy/extensions/internal_redirect/previous_routes/v3/*",
    "envoy/extensions/internal_redirect/safe_cross_scheme/v3/*",
    "envoy/extensions/load_balancing_policies/random/v3/*",
    "envoy/extensions/load_balancing_policies/round_robin/v3/*",
    "envoy/extensions/matching/common_inputs/network/v3/*",
    "envoy/extensions/matching/common_inputs/ssl/v3/*",
    "envoy/extensions/path/match/uri_template/v3/*",
    "envoy/extensions/path/rewrite/uri_template/v3/*",
    "envoy/extensions/request_id/uuid/v3/*",
    "envoy/extensions/retry/host/omit_canary_hosts/v3/*",
    "envoy/extensions/retry/host/omit_host_metadata/v3/*",
    "envoy/extensions/retry/host/previous_hosts/v3/*",
    "envoy/extensions/transport_sockets/proxy_protocol/v3/*",
    "envoy/extensions/transport_sockets/raw_buffer/v3/*",
    "envoy/extensions/transport_sockets/starttls/v3/*",
    "envoy/extensions/transport_sockets/tls/v3/*",
    "envoy/extensions/upstreams/http/v3/*",
    "envoy/service/accesslog/v3/*",
    "envoy/service/auth/v3/*",
    "envoy/service/cluster/v3/*",
    "envoy/service/discovery/v3/*",
    "envoy/service/endpoint/v3/*",
    "envoy/service/listener/v3/*",
    "envoy/service/route/v3/*",
    "envoy/service/secret/v3/*",
    "envoy/type/http/v3/*",
    "envoy/type/matcher/v3/*",
    "envoy/type/metadata/v3/*",
    "envoy/type/tracing/v3/*",
    "envoy/type/v3/*",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "udpa/annotations/*",
    "udpa/type/v1/*",
    "validate/validate.proto",
    "xds/annotations/v3/*",
    "xds/type/matcher/v3/*",
    "xds/type/v3/*",
]

# Of the generated files, those whose gRPC service Sluice or its tests speak.
GRPC_SERVICES = [
    "envoy/service/accesslog/v3/als",
    "envoy/service/auth/v3/external_auth",
    "envoy/service/discovery/v3/ads",
]

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
