"""Writes the official xDS API as one FileDescriptorSet, from the Python package that carries it.

    extract_descriptors.py WHEEL WELL_KNOWN_TYPES OUT_SET OUT_BZL ROOT...

WHEEL is xds-protos as pip downloads it: each of its modules holds one serialized FileDescriptorProto. WELL_KNOWN_TYPES
is a FileDescriptorSet of google/protobuf/*.proto, which the package leaves out. OUT_SET gets every file of the API and
all that they import, imports first. OUT_BZL gets the names of the files that C++ is generated for: those that a ROOT
("a/b.proto", or "a/*" for a folder) names, and all that they import. Nothing but Python's standard library is needed.
"""

import ast
import sys
import zipfile

# What is part of the xDS API; of the rest of the package only what these import is taken.
API_FOLDERS = ("cel/", "envoy/", "google/rpc/", "opencensus/", "opentelemetry/", "udpa/", "validate/", "xds/")
WELL_KNOWN = "google/protobuf/"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def encode_varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def strings(message, field):
    """The values of a length-delimited field; descriptors at their top level hold nothing but varints beside them."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 == 0:
            _, at = varint(message, at)
            continue
        if key & 7 != 2:
            sys.exit(f"not a FileDescriptorProto: wire type {key & 7}")
        length, at = varint(message, at)
        if key >> 3 == field:
            yield message[at : at + length]
        at += length


def descriptor_of(source, path):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "AddSerializedFile":
                return node.args[0].value
    sys.exit(f"{path} holds no serialized descriptor")


def main():
    wheel, well_known, out_set, out_bzl, *roots = sys.argv[1:]
    files = {}
    with zipfile.ZipFile(wheel) as archive:
        for path in sorted(archive.namelist()):
            if path.endswith("_pb2.py"):
                descriptor = descriptor_of(archive.read(path), path)
                files[next(strings(descriptor, 1)).decode()] = descriptor
    with open(well_known, "rb") as f:
        for descriptor in strings(f.read(), 1):
            files[next(strings(descriptor, 1)).decode()] = descriptor

    imports = {name: [d.decode() for d in strings(descriptor, 3)] for name, descriptor in files.items()}

    def closure(names):
        order, seen = [], set()

        def visit(name, importer):
            if name in seen:
                return
            if name not in files:
                sys.exit(f"{importer} imports {name}, which the package does not hold")
            seen.add(name)
            for dependency in imports[name]:
                visit(dependency, name)
            order.append(name)

        for name in sorted(names):
            visit(name, "the list of roots")
        return order

    with open(out_set, "wb") as f:
        for name in closure(n for n in files if n.startswith(API_FOLDERS + (WELL_KNOWN,))):
            f.write(b"\x0a" + encode_varint(len(files[name])) + files[name])

    wanted = set()
    for root in roots:
        if root.endswith("/*"):
            found = {n for n in files if n.rsplit("/", 1)[0] == root[:-2]}
        else:
            found = {root} & files.keys()
        if not found:
            sys.exit(f"the package holds no {root}")
        wanted |= found
    generated = [n[: -len(".proto")] for n in closure(wanted) if not n.startswith(WELL_KNOWN)]
    with open(out_bzl, "w") as f:
        f.write('"""The .proto files that C++ is generated for, without their suffix, imports first."""\n\nGENERATED = [\n')
        f.writelines(f'    "{n}",\n' for n in generated)
        f.write("]\n")


main()
