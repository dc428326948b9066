"""The wire format once more, in Python, from PROTOCOL.md and not from the C code: what both agree on is right.

A body here is a dict of field names; optional fields without value are not in it. encode gives the bytes, dump the JSON text of
ama_…_dump.
"""

import struct as packing

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def integer(value):
    if value < 0:
        for lead, form, least in ((0xD0, ">b", -(1 << 7)), (0xD1, ">h", -(1 << 15)), (0xD2, ">i", -(1 << 31)), (0xD3, ">q", -(1 << 63))):
            if value >= -32:
                return packing.pack(">b", value)
            if value >= least:
                return bytes([lead]) + packing.pack(form, value)
    if value < 0x80:
        return bytes([value])
    for lead, form, most in ((0xCC, ">B", 0xFF), (0xCD, ">H", 0xFFFF), (0xCE, ">I", 0xFFFFFFFF)):
        if value <= most:
            return bytes([lead]) + packing.pack(form, value)
    return b"\xcf" + packing.pack(">Q", value)


def sized(count, leads):
    """leads: (first byte, largest count, format of the count); no format: the count is in the byte."""
    for lead, most, form in leads:
        if count <= most:
            return bytes([lead | count]) if not form else bytes([lead]) + packing.pack(form, count)
    raise ValueError(count)


def text(value):
    data = value.encode()
    return sized(len(data), ((0xA0, 31, ""), (0xD9, 0xFF, ">B"), (0xDA, 0xFFFF, ">H"), (0xDB, 0xFFFFFFFF, ">I"))) + data


def binary(value):
    return sized(len(value), ((0xC4, 0xFF, ">B"), (0xC5, 0xFFFF, ">H"), (0xC6, 0xFFFFFFFF, ">I"))) + value


def array(count):
    return sized(count, ((0x90, 15, ""), (0xDC, 0xFFFF, ">H"), (0xDD, 0xFFFFFFFF, ">I")))


def mapping(count):
    return sized(count, ((0x80, 15, ""), (0xDE, 0xFFFF, ">H"), (0xDF, 0xFFFFFFFF, ">I")))


def value_bytes(field, value):
    kind = field.kind
    if kind == "bool":
        return b"\xc3" if value else b"\xc2"
    if kind in ("u32", "u64", "i64"):
        return integer(value)
    if kind == "f64":
        return b"\xcb" + packing.pack(">d", value)
    if kind == "string":
        return text(value)
    if kind in ("bytes", "id", "digest"):
        return binary(value)
    if kind == "enum":
        return integer(field.of.values[value])
    return encode(field.of, value)


def is_left_out(field, body):
    if field.is_list:
        return not body[field.name]
    if field.optional:
        return field.name not in body
    if field.kind in ("id", "digest", "struct"):
        return False
    value = body[field.name]
    if field.kind == "enum":
        return field.of.values[value] == 0
    return packing.pack(">d", value) == bytes(8) if field.kind == "f64" else not value


def encode(struct, body):
    fields = [f for f in struct.fields if not is_left_out(f, body)]
    out = mapping(len(fields))
    for f in fields:
        out += integer(f.n)
        if f.is_list:
            out += array(len(body[f.name])) + b"".join(value_bytes(f, item) for item in body[f.name])
        else:
            out += value_bytes(f, body[f.name])
    return out


# ---- JSON


def json_text(value):
    out = ""
    for c in value:
        short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(c)
        out += short or (f"\\u{ord(c):04x}" if ord(c) < 0x20 or ord(c) == 0x7F else c)
    return f'"{out}"'


def id_text(value):
    number = int.from_bytes(value, "big")
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def number_text(value):
    short = f"{value:.15g}"
    return short if float(short) == value else f"{value:.17g}"


def value_dump(field, value):
    kind = field.kind
    if kind == "bool":
        return "true" if value else "false"
    if kind in ("u32", "u64", "i64"):
        return str(value)
    if kind == "f64":
        return number_text(value)
    if kind == "string":
        return json_text(value)
    if kind == "id":
        return f'"{id_text(value)}"'
    if kind in ("bytes", "digest"):
        return f'"{value.hex()}"'
    if kind == "enum":
        return f'"{value}"'
    return dump(field.of, value)


def dump(struct, body):
    parts = []
    for f in struct.fields:
        if f.is_list:
            parts.append(f'"{f.name}":[' + ",".join(value_dump(f, item) for item in body[f.name]) + "]")
        elif f.name in body:
            parts.append(f'"{f.name}":' + value_dump(f, body[f.name]))
    return "{" + ",".join(parts) + "}"


# ---- envelope

ENVELOPE = ("type", "flags", "src", "dst", "id", "corr", "epoch", "role", "user", "window", "seq", "deadline")
NAMES = ("src", "dst", "user")


def wide(value):
    """seq and deadline are not written short: the hub puts another seq into a frame without writing it anew."""
    return b"\xcf" + packing.pack(">Q", value)


def envelope_item(name, value):
    return text(value) if name in NAMES else wide(value) if name in ("seq", "deadline") else integer(value)


def envelope(values, magic=0x414D, version=1):
    out = array(2 + len(ENVELOPE)) + integer(magic) + integer(version)
    for name in ENVELOPE:
        out += envelope_item(name, values[name])
    return out


def envelope_dump(values):
    return "{" + ",".join(f'"{n}":' + (json_text(values[n]) if n in NAMES else str(values[n])) for n in ENVELOPE) + "}"
