#!/usr/bin/env python3
"""Makes from messages/schema/*.yaml what must not be written twice.

    amagen.py code OUTPUT     C files into the folder OUTPUT (called by the build)

A mistake in the schema is one line `file:line: error: …` and exit code 1. Nothing is written unless the schema is right.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import emit_c  # noqa: E402
from model import SchemaError  # noqa: E402
from reader import read_schema  # noqa: E402


def write(path, text):
    """Leaves a file alone that is right already, so that nothing is compiled again for nothing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except OSError:
        pass
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def code(schema, output):
    files = {
        "ama_types.h": emit_c.types_header(schema),
        "ama_types.c": emit_c.types_source(schema),
        "ama_enums.h": emit_c.enums_header(schema),
    }
    for family in schema.families:
        files[f"{family.name}.h"] = emit_c.family_header(family)
        files[f"{family.name}.c"] = emit_c.family_source(family)
    for name, text in files.items():
        write(os.path.join(output, name), text)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="generates code and documents from the message schema")
    parser.add_argument("--root", default=os.path.join(here, "..", ".."), help="folder that holds messages/")
    parser.add_argument("command", choices=["code"])
    parser.add_argument("output")
    args = parser.parse_args()
    root = os.path.normpath(args.root)
    try:
        schema = read_schema(root)
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    code(schema, args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
