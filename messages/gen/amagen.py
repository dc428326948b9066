#!/usr/bin/env python3
"""Makes from messages/schema/*.yaml what must not be written twice.

    amagen.py code OUTPUT     C files and the fuzz dictionary into the folder OUTPUT (called by the build)
    amagen.py update          docs/messages.md, golden vectors, hostile bytes, fuzz corpora, the promised schema: all that is committed
    amagen.py check           fails if `update` would write anything, or if the schema broke a promise

A mistake in the schema is one line `file:line: error: …` and exit code 1. Nothing is written unless the schema is right.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import emit_c  # noqa: E402
import emit_docs  # noqa: E402
import frozen  # noqa: E402
import golden  # noqa: E402
import hostile  # noqa: E402
from model import SchemaError  # noqa: E402
from reader import read_schema  # noqa: E402

CORPUS = "tests/fuzz/corpus"


def is_current(path, data):
    try:
        with open(path, "rb") as file:
            return file.read() == data
    except OSError:
        return False


def write(path, data):
    """Leaves a file alone that is right already, so that nothing is compiled again for nothing."""
    if not is_current(path, data):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def code(schema, output):
    files = {
        "ama_types.h": emit_c.types_header(schema),
        "ama_types.c": emit_c.types_source(schema),
        "ama_enums.h": emit_c.enums_header(schema),
        "messages.dict": emit_docs.dictionary(schema),
    }
    for family in schema.families:
        files[f"{family.name}.h"] = emit_c.family_header(family)
        files[f"{family.name}.c"] = emit_c.family_source(family)
    for name, text in files.items():
        write(os.path.join(output, name), text.encode())


def committed(schema, root):
    """(path, bytes) of all that is made from the schema and committed."""
    yield "docs/messages.md", emit_docs.document(schema).encode()
    yield frozen.PATH, frozen.text(schema).encode()
    yield from hostile.files(schema)
    for path, text in golden.files(schema, root):
        yield path, text.encode()
    for name, data in golden.bodies(schema, root):
        yield f"{CORPUS}/fuzz_bodies/{name}", data
    for name, values in golden.ENVELOPES.items():
        yield f"{CORPUS}/fuzz_envelope/{name}", golden.wire.envelope(values)


def update(schema, root):
    for path, data in committed(schema, root):
        write(os.path.join(root, path), data)


def check(schema, root):
    stale = [path for path, data in committed(schema, root) if not is_current(os.path.join(root, path), data)]
    for path in stale:
        print(f"{path}: not what the schema says; run messages/gen/amagen.py update and commit it")
    return 1 if stale else 0


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="generates code and documents from the message schema")
    parser.add_argument("--root", default=os.path.join(here, "..", ".."), help="folder that holds messages/")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("code").add_argument("output")
    commands.add_parser("update")
    commands.add_parser("check")
    args = parser.parse_args()
    root = os.path.normpath(args.root)
    try:
        schema = read_schema(root)
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    if args.command == "code":
        code(schema, args.output)
        return 0
    broken = list(frozen.problems(schema, root))
    for problem in broken:
        print(f"{problem} (promised in {frozen.PATH})", file=sys.stderr)
    if broken:
        return 1
    return check(schema, root) if args.command == "check" else update(schema, root) or 0


if __name__ == "__main__":
    sys.exit(main())
