"""Golden vectors: encodings that every later version must still read, and write again byte for byte.

One file per message in tests/golden/messages-v1, of records of three lines: `# name`, the bytes in hex, the JSON of the decoded body.
Records are only ever added: when a message grows, its old records stay and the larger one is added beside them.
"""

import hashlib
import os

import wire

FOLDER = "tests/golden/messages-v1"
EDGE_TEXT = 'é€😀 "quoted" \\ tab\t line\n \x01\x7f end'


def seed(path):
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big")


def cut(value, size):
    return value.encode()[:size].decode(errors="ignore")


def full_value(field, path):
    number = seed(path)
    kind = field.kind
    if kind == "bool":
        return True
    if kind == "u32":
        return number % 100000 + 1
    if kind == "u64":
        return number >> 8
    if kind == "i64":
        return (number >> 16) - (1 << 47)
    if kind == "f64":
        return (number % 1000 + 1) / 8
    if kind == "string":
        return cut(path.rsplit("/", 1)[-1] + f"-{number % 1000}", field.item_max or field.max)
    if kind in ("bytes", "id", "digest"):
        size = {"id": 16, "digest": 32}.get(kind) or min(20, field.max)
        return hashlib.sha256(path.encode()).digest()[:size]
    if kind == "enum":
        words = sorted(field.of.values, key=field.of.values.get)
        return words[1 if len(words) > 1 else 0]
    return body(field.of, path, full_value, 2)


def edge_value(field, path):
    kind = field.kind
    if kind == "bool":
        return True
    if kind in ("u32", "u64"):
        return (1 << int(kind[1:])) - 1
    if kind == "i64":
        return -(1 << 63) if seed(path) % 2 else (1 << 63) - 1
    if kind == "f64":
        return -0.0 if seed(path) % 2 else 1.7976931348623157e308
    if kind == "string":
        return cut(EDGE_TEXT, field.item_max or field.max)
    if kind in ("bytes", "id", "digest"):
        return b"\xff" * {"id": 16, "digest": 32}.get(kind, 1)
    if kind == "enum":
        return max(field.of.values, key=field.of.values.get)
    return body(field.of, path, edge_value, 1)


def least_value(field, path):
    kind = field.kind
    zeros = {"bool": False, "f64": 0.0, "string": "", "bytes": b"", "id": bytes(16), "digest": bytes(32)}
    if kind == "enum":
        return min(field.of.values, key=field.of.values.get)
    if kind == "struct":
        return body(field.of, path, least_value, 0)
    return zeros.get(kind, 0)


def body(struct, path, make, items):
    """items: of each list; 0 leaves out optional fields too."""
    result = {}
    for f in struct.fields:
        if f.is_list:
            result[f.name] = [make(f, f"{path}/{f.name}{i}") for i in range(min(items, f.max))]
        elif items or not f.optional:
            result[f.name] = make(f, f"{path}/{f.name}")
    return result


def vectors(struct):
    for name, make, items in (("least", least_value, 0), ("full", full_value, 2), ("edge", edge_value, 1)):
        values = body(struct, struct.name, make, items)
        yield name, wire.encode(struct, values).hex(), wire.dump(struct, values)


ENVELOPES = {
    "least": {"type": 1, "flags": 0, "src": "", "dst": "", "id": 0, "corr": 0, "epoch": 0, "role": 0, "user": "", "window": 0, "seq": 0, "deadline": 0},
    "request": {"type": 0x0804, "flags": 1, "src": "client/01JDA7", "dst": "reporter", "id": 300, "corr": 0, "epoch": 7, "role": 10, "user": "ana", "window": 1 << 20, "seq": 2, "deadline": 1767225600000},
    "part": {"type": 0x0805, "flags": 6, "src": "reporter", "dst": "client/01JDA7", "id": 70000, "corr": 300, "epoch": 7, "role": 7, "user": "", "window": 0, "seq": 1 << 32, "deadline": 0},
    "error": {"type": 6, "flags": 10, "src": "supervisor", "dst": "client/a_b@c.d-E", "id": 5, "corr": 1, "epoch": 1, "role": 6, "user": "", "window": 0, "seq": 1, "deadline": 0},
    "edge": {"type": 0xFFFF, "flags": 1, "src": "s" * 127, "dst": "d" * 127, "id": (1 << 64) - 1, "corr": (1 << 64) - 1, "epoch": (1 << 64) - 1, "role": 31, "user": "u" * 64, "window": (1 << 32) - 1, "seq": (1 << 64) - 1, "deadline": (1 << 64) - 1},
}


def parse(text):
    lines = [line for line in text.split("\n") if line]
    return [(lines[i][2:], lines[i + 1], lines[i + 2]) for i in range(0, len(lines), 3)]


def extend(records, wanted):
    """Adds what is wanted and not there; a changed record gets a new name beside the old one."""
    result = list(records)
    for name, code, dump in wanted:
        if any(old == code for _, old, _ in result):
            continue
        taken = {old for old, _, _ in result}
        numbered = [name] + [f"{name}.{i}" for i in range(2, 1000)]
        result.append((next(n for n in numbered if n not in taken), code, dump))
    return result


def kept(root, name, wanted):
    """The records of one file: those that are there, then what is missing."""
    path = os.path.join(root, FOLDER, name + ".golden")
    if not os.path.exists(path):
        return extend([], wanted)
    with open(path, encoding="utf-8") as file:
        return extend(parse(file.read()), wanted)


def files(schema, root):
    """path -> what it should be."""
    wanted = {m.name: list(vectors(m)) for m in schema.messages()}
    wanted["envelope"] = [(n, wire.envelope(v).hex(), wire.envelope_dump(v)) for n, v in ENVELOPES.items()]
    for name, records in wanted.items():
        rows = (f"# {n}\n{code}\n{dump}\n" for n, code, dump in kept(root, name, records))
        yield f"{FOLDER}/{name}.golden", "".join(rows)


def bodies(schema, root):
    """(file name, fuzz input) of every record: the type in two bytes, then the body."""
    for m in schema.messages():
        for name, code, _ in kept(root, m.name, list(vectors(m))):
            yield f"{m.name}.{name}", m.type.to_bytes(2, "big") + bytes.fromhex(code)
