"""llhttp, the HTTP/1 parser, from a pinned source package of PyPI: its lib/ holds llhttp's own C."""

_PACKAGE = "llhttp"
_VERSION = "9.3.0.0"
_SHA256 = "0d989363e7fb6f270b9d49956e7a3945c26778f8c70a166815264309ac6a8295"

_BUILD = """
cc_library(
    name = "llhttp",
    srcs = ["lib/api.c", "lib/http.c", "lib/llhttp.c"],
    hdrs = ["lib/llhttp.h"],
    # Generated code, which is not ours to mend.
    copts = ["-w"],
    strip_include_prefix = "lib",
    visibility = ["//visibility:public"],
)
"""

def _llhttp_impl(repository_ctx):
    archive = "%s-%s.tar.gz" % (_PACKAGE, _VERSION)
    cache = repository_ctx.os.environ["HOME"] + "/.cache/sluice/pip"
    cached = cache + "/" + archive
    if not repository_ctx.path(cached).exists:
        python = repository_ctx.which("python3")
        if not python:
            fail("python3 is not installed; run ./do setup, or apt-get install python3")
        repository_ctx.file("requirements.txt", "%s==%s --hash=sha256:%s\n" % (_PACKAGE, _VERSION, _SHA256))
        pip = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        pip += ["--no-binary", ":all:", "--requirement", "requirements.txt", "--dest", "."]
        result = repository_ctx.execute(pip, timeout = 600)
        if result.return_code != 0:
            fail("downloading %s %s with pip failed; run ./do setup, which says why\n%s%s" % (
                _PACKAGE,
                _VERSION,
                result.stdout,
                result.stderr,
            ))

        # Copied under another name first, so that a build beside this one never sees half of it.
        kept = repository_ctx.execute(
            ["sh", "-c", 'mkdir -p "$1" && cp "$2" "$1/$2.$$" && mv "$1/$2.$$" "$1/$2"', "sh", cache, archive],
        )
        if kept.return_code != 0:
            fail("keeping %s in %s failed\n%s" % (archive, cache, kept.stderr))
        repository_ctx.delete(archive)
    repository_ctx.download_and_extract(
        "file://" + cached,
        sha256 = _SHA256,
        stripPrefix = "%s-%s" % (_PACKAGE, _VERSION),
    )
    repository_ctx.file("BUILD.bazel", _BUILD)

llhttp = repository_rule(
    implementation = _llhttp_impl,
    doc = "@llhttp//:llhttp: the parser, compiled once for everything.",
)
