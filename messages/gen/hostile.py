"""Bytes that are no message, each with the error it must get: tests/bad/wire/, and the table in its README.md that the tests read.

A body file begins with the type of the message in two bytes, so that it is an input of fuzz_bodies as it is.
"""

import golden
import wire

FOLDER = "tests/bad/wire"
BIG = b"\xff\xff\xff\xff"
ID = b"\xc4\x10" + bytes(range(16))
DEEP = b"\x91" * 2000 + b"\xc0"
NAN = b"\xcb\x7f\xf8" + bytes(6)

DECODE, LIMIT, UNSUPPORTED = "AMA_E_DECODE", "AMA_E_LIMIT", "AMA_E_UNSUPPORTED"


def pairs(*items):
    """A map of (key, bytes of the value)."""
    return wire.mapping(len(items)) + b"".join(wire.integer(key) + value for key, value in items)


def unknown(value):
    return pairs((99, value))


def submit(value, key=2):
    return pairs((key, value))


# file, message, body, error, a part of the text, what it is
BODIES = (
    ("empty", "run.submit", b"", DECODE, "end where a value", "no bytes at all"),
    ("array32-4g", "run.submit", b"\xdd" + BIG, DECODE, "not a map", "an array of 2^32-1 items in 5 bytes"),
    ("map32-4g", "run.submit", b"\xdf" + BIG, DECODE, "more pairs", "a map of 2^32-1 pairs in 5 bytes"),
    ("map16-64k", "run.submit", b"\xde\xff\xff\x02\xa0", DECODE, "more pairs", "a map of 65535 pairs in 5 bytes"),
    ("list-4g", "run.submit", submit(b"\xdd" + BIG, 6), DECODE, "params: an array announces", "a known list of 2^32-1 items"),
    ("list-of-short", "lease.agent_hello", pairs((5, b"\xdc\x00\x64" + b"\x80" * 100)), DECODE, "more items", "100 items in 100 bytes, of a kind that takes 39 each"),
    ("item-map-4g", "run.submit", submit(b"\x91\xdf" + BIG, 6), DECODE, "params: item 0", "an item that is a map of 2^32-1 pairs"),
    ("skipped-array-4g", "run.submit", unknown(b"\xdd" + BIG), DECODE, "a container", "the same under a key that is skipped"),
    ("skipped-map-4g", "run.submit", unknown(b"\xdf" + BIG), DECODE, "a container", "likewise a map"),
    ("skipped-str-4g", "run.submit", unknown(b"\xdb" + BIG), DECODE, "past the end", "likewise a string"),
    ("skipped-cut", "run.submit", unknown(b"\x92\x01"), DECODE, "more than there are bytes", "likewise, cut off"),
    ("deep-body", "run.submit", DEEP, DECODE, "not a map", "2000 arrays within one another instead of a body"),
    ("deep-arrays", "run.submit", unknown(DEEP), LIMIT, "nested too deep", "2000 arrays under a key that is skipped"),
    ("deep-maps", "run.submit", unknown(b"\x81\x01" * 2000 + b"\xc0"), LIMIT, "nested too deep", "likewise maps"),
    ("deep-in-field", "run.submit", submit(DEEP, 6), DECODE, "params: item 0", "likewise in a known list"),
    ("fixext", "run.submit", submit(b"\xd4\x01\x00"), DECODE, "repo: an extension", "an extension type"),
    ("ext8", "run.submit", unknown(b"\xc7\x01\x01\x00"), DECODE, "an extension", "an extension type under a key that is skipped"),
    ("ext32-4g", "run.submit", unknown(b"\xc9" + BIG + b"\x01"), DECODE, "an extension", "one of 2^32-1 bytes"),
    ("timestamp", "run.submit", submit(b"\xd6\xff" + bytes(4)), DECODE, "repo: an extension", "the timestamp extension"),
    ("reserved", "run.submit", submit(b"\xc1"), DECODE, "0xc1", "the byte that begins no value"),
    ("str-past-end", "run.submit", submit(b"\xd9\xffab"), DECODE, "repo: a length", "a string longer than what is left"),
    ("str32-past-end", "run.submit", submit(b"\xdb" + BIG + b"ab"), DECODE, "repo: a length", "a string of 2^32-1 bytes"),
    ("bin-past-end", "run.accepted", pairs((1, b"\xc4\x10ab")), DECODE, "run: a length", "an id of which two bytes came"),
    ("cut-number", "control.welcome", pairs((1, b"\xcf\x00\x01")), DECODE, "epoch: the bytes end", "a number of which two bytes came"),
    ("cut-key", "control.ping", b"\x81\xcd\x00", DECODE, "the bytes end within", "a key that is cut off"),
    ("no-value", "control.ping", b"\x82\x01\x01\x02", DECODE, "more pairs", "a key without a value"),
    ("trailing", "control.ping", pairs((1, b"\x01")) + b"\xc0", DECODE, "behind the end", "a byte behind the body"),
    ("two-bodies", "control.ping", pairs((1, b"\x01")) * 2, DECODE, "behind the end", "a second body behind the body"),
    ("key-twice", "control.ping", pairs((1, b"\x01"), (1, b"\x02")), DECODE, "key 1 stands twice", "a key twice"),
    ("key-twice-wide", "control.ping", b"\x82\x01\x01\xcc\x01\x02", DECODE, "key 1 stands twice", "a key twice, the second time in a longer form"),
    ("unknown-key-twice", "control.ping", pairs((98, b"\x01"), (98, b"\x02")), DECODE, "key 98 stands twice", "an unknown key twice"),
    ("key-order", "run.submit", pairs((3, b"\xa1a"), (2, b"\xa1b")), DECODE, "out of order", "keys that do not rise"),
    ("key-0", "control.ping", pairs((0, b"\x01")), DECODE, "key 0", "key 0, which no field has"),
    ("key-negative", "control.ping", b"\x81\xff\x01", DECODE, "out of range", "a negative key"),
    ("key-wide", "control.ping", pairs((65536, b"\x01")), DECODE, "out of range", "a key above 65535"),
    ("key-string", "control.ping", b"\x81\xa5stamp\x01", DECODE, "not an integer", "a key that is a string"),
    ("nan-int", "control.error", pairs((1, NAN)), DECODE, "code: not an integer", "NaN where an integer belongs"),
    ("float-int", "control.ping", pairs((1, b"\xcb\x3f\xf0" + bytes(6))), DECODE, "stamp: not an integer", "1.0 where an integer belongs"),
    ("nan", "lease.granted", pairs((1, ID), (3, NAN)), DECODE, "cpus: not a finite", "NaN cpus"),
    ("nan32", "lease.granted", pairs((1, ID), (3, b"\xca\x7f\xc0\x00\x00")), DECODE, "cpus: not a finite", "the same in four bytes"),
    ("infinite", "lease.granted", pairs((1, ID), (3, b"\xcb\x7f\xf0" + bytes(6))), DECODE, "cpus: not a finite", "infinitely many cpus"),
    ("int-float", "lease.granted", pairs((1, ID), (3, b"\x01")), DECODE, "cpus: not a floating-point", "an integer where a float belongs"),
    ("u32-range", "control.hello", pairs((3, ID), (4, wire.integer(1 << 32))), DECODE, "pid: an integer out of range", "2^32 in 32 bits"),
    ("u64-negative", "control.ping", pairs((1, b"\xff")), DECODE, "stamp: an integer out of range", "-1 without a sign"),
    ("i64-range", "control.error", pairs((1, wire.integer(1 << 63))), DECODE, "code: an integer out of range", "2^63 with a sign"),
    ("enum-negative", "control.welcome", pairs((2, b"\xff")), DECODE, "role: an integer out of range", "a negative enum"),
    ("enum-string", "control.welcome", pairs((2, b"\xa5agent")), DECODE, "role: not an integer", "the name of an enum value"),
    ("enum-wide", "control.welcome", pairs((2, wire.integer(1 << 32))), DECODE, "role: an integer out of range", "an enum of more than 32 bits"),
    ("nil", "run.submit", submit(b"\xc0"), DECODE, "repo: not a string", "nil for a string"),
    ("nil-body", "run.submit", b"\xc0", DECODE, "not a map", "nil for a body"),
    ("bin-str", "run.submit", submit(b"\xc4\x01a"), DECODE, "repo: not a string", "binary for a string"),
    ("str-id", "run.accepted", pairs((1, b"\xb0" + b"a" * 16)), DECODE, "run: not binary", "a string for an id"),
    ("int-bool", "run.accepted", pairs((1, ID), (2, b"\x01")), DECODE, "known: not a boolean", "1 for true"),
    ("id-15", "run.accepted", pairs((1, b"\xc4\x0f" + bytes(15))), DECODE, "15 bytes where 16", "an id of 15 bytes"),
    ("id-17", "run.accepted", pairs((1, b"\xc4\x11" + bytes(17))), DECODE, "17 bytes where 16", "an id of 17 bytes"),
    ("digest-31", "resolve.reply", pairs((1, b"\xc4\x1f" + bytes(31))), DECODE, "31 bytes where 32", "a digest of 31 bytes"),
    ("id-missing", "run.accepted", pairs((2, b"\xc3")), DECODE, "run is missing", "an answer without its id"),
    ("digest-missing", "resolve.reply", b"\x80", DECODE, "lock is missing", "a lock without its digest"),
    ("struct-missing", "run.shown", b"\x80", DECODE, "summary is missing", "a struct that is not there"),
    ("item-id-missing", "run.listed", pairs((1, b"\x91\x80" + bytes(30))), DECODE, "run is missing", "an item without its id"),
    ("utf8-overlong", "run.submit", submit(b"\xa2\xc0\x80"), DECODE, "repo: not UTF-8", "NUL in two bytes"),
    ("utf8-surrogate", "run.submit", submit(b"\xa3\xed\xa0\x80"), DECODE, "repo: not UTF-8", "half of a surrogate pair"),
    ("utf8-above", "run.submit", submit(b"\xa4\xf4\x90\x80\x80"), DECODE, "repo: not UTF-8", "a character above U+10FFFF"),
    ("utf8-cut", "run.submit", submit(b"\xa2a\xc3"), DECODE, "repo: not UTF-8", "half a character at the end"),
    ("utf8-tail", "run.submit", submit(b"\xa1\x80"), DECODE, "repo: not UTF-8", "the tail of a character"),
    ("latin1", "run.submit", submit(b"\xa9caf\xe9-caf\xe9"), DECODE, "repo: not UTF-8", "Latin-1"),
    ("nul", "run.submit", submit(b"\xa3a\x00b"), DECODE, "a NUL in it", "a NUL within a string"),
    ("str-limit", "run.submit", submit(wire.text("r" * 256), 3), LIMIT, "ref: too long", "256 bytes where 255 are allowed"),
    ("list-limit", "run.submit", submit(wire.array(1001) + b"\x80" * 1001, 6), LIMIT, "params: too many", "1001 items where 1000 are allowed"),
    ("item-limit", "run.submit", submit(b"\x91" + pairs((1, wire.text("n" * 129))), 6), LIMIT, "params: item 0: name: too long", "129 bytes in an item where 128 are allowed"),
    ("nested-wrong", "run.submit", submit(b"\x92\x80" + pairs((2, b"\x07")), 6), DECODE, "params: item 1: value: not a string", "a wrong type in the second item"),
)

GOOD = golden.ENVELOPES["request"]


def changed(**values):
    return wire.envelope({**GOOD, **values})


def raw(index, value):
    """The good envelope with other bytes for one of its items."""
    items = [wire.integer(0x414D), wire.integer(1)]
    items += [wire.envelope_item(n, GOOD[n]) for n in wire.ENVELOPE]
    items[index] = value
    return wire.array(len(items)) + b"".join(items)


ENVELOPES = (
    ("empty", b"", DECODE, "end where a value", "no bytes at all"),
    ("map", b"\x80", DECODE, "not an array", "a map"),
    ("array32-4g", b"\xdd" + BIG, DECODE, "more items", "an array of 2^32-1 items in 5 bytes"),
    ("short", b"\x91\xcd\x41\x4d", DECODE, "1 items", "magic alone"),
    ("twelve", b"\x9c" + wire.envelope(GOOD)[1:-18], DECODE, "12 items", "without seq and deadline"),
    ("thirteen", b"\x9d" + wire.envelope(GOOD)[1:], DECODE, "13 items", "one item less announced"),
    ("fifteen", b"\x9f" + wire.envelope(GOOD)[1:] + b"\x00", DECODE, "15 items", "one item more"),
    ("cut", wire.envelope(GOOD)[:-3], DECODE, "deadline: the bytes end", "the last number cut off"),
    ("cut-seq", wire.envelope(GOOD)[:-12], DECODE, "seq: the bytes end", "the last number but one cut off"),
    ("trailing", wire.envelope(GOOD) + b"\x00", DECODE, "behind the end", "a byte behind the end"),
    ("magic", wire.envelope(GOOD, magic=0x414E), DECODE, "wrong magic", "another protocol"),
    ("magic-string", raw(0, b"\xa2AM"), DECODE, "magic: not an integer", "the magic as text"),
    ("version-0", wire.envelope(GOOD, version=0), UNSUPPORTED, "version 0", "version 0"),
    ("version-2", wire.envelope(GOOD, version=2), UNSUPPORTED, "version 2", "version 2"),
    ("version-2-short", b"\x93" + wire.integer(0x414D) + b"\x02\xc0", UNSUPPORTED, "version 2", "version 2 of another shape"),
    ("version-max", wire.envelope(GOOD, version=(1 << 64) - 1), UNSUPPORTED, "version 18446744073709551615", "the last version there can be"),
    ("type-0", changed(type=0), DECODE, "type 0", "type 0"),
    ("type-wide", changed(type=65536), DECODE, "type: an integer out of range", "a type of 17 bits"),
    ("flag-unknown", changed(flags=17), UNSUPPORTED, "unknown flags 0x10", "a flag of a later version"),
    ("flags-wide", changed(flags=1 << 32), DECODE, "flags: an integer out of range", "flags of 33 bits"),
    ("more-without-reply", changed(flags=4), DECODE, "flags of a reply", "a part of no answer"),
    ("error-without-reply", changed(flags=8), DECODE, "flags of a reply", "an error of nothing"),
    ("request-and-reply", changed(flags=3, corr=1), DECODE, "a reply that is a request", "both a request and an answer"),
    ("error-and-more", changed(flags=14, corr=1), DECODE, "ends a stream", "an error with more to follow"),
    ("request-id-0", changed(id=0), DECODE, "without an id", "a request that can not be answered"),
    ("reply-corr-0", changed(flags=2, corr=0), DECODE, "a reply to nothing", "an answer to nothing"),
    ("src-long", changed(src="s" * 128), LIMIT, "src: too long", "a name of 128 bytes"),
    ("dst-long", changed(dst="d" * 300), LIMIT, "dst: too long", "a name of 300 bytes"),
    ("src-space", changed(src="super visor"), DECODE, "src has a character", "a blank in a name"),
    ("src-newline", changed(src="hub\n"), DECODE, "src has a character", "a line break in a name"),
    ("src-nul", raw(4, b"\xa4hub\x00"), DECODE, "src has a character", "a NUL in a name"),
    ("dst-utf8", changed(dst="hüb"), DECODE, "dst has a character", "a letter that is not ASCII"),
    ("dst-latin1", raw(5, b"\xa3h\xfcb"), DECODE, "dst has a character", "a byte that is not UTF-8"),
    ("src-bin", raw(4, b"\xc4\x03hub"), DECODE, "src: not a string", "a name in binary"),
    ("src-past-end", wire.envelope(GOOD)[:13] + b"\xd9\xff", DECODE, "src: a length", "a name longer than what is left"),
    ("id-negative", raw(6, b"\xff"), DECODE, "id: an integer out of range", "id -1"),
    ("epoch-nan", raw(8, NAN), DECODE, "epoch: not an integer", "NaN for the epoch"),
    ("role-32", changed(role=32), DECODE, "role: an integer out of range", "a role that no bit stands for"),
    ("user-long", changed(user="u" * 65), LIMIT, "user: too long", "the name of a key of 65 bytes"),
    ("user-number", raw(10, b"\x07"), DECODE, "user: not a string", "a number for the name of a key"),
    ("user-blank", changed(user="a na"), DECODE, "user has a character", "a blank in the name of a key"),
    ("window-wide", changed(window=1 << 32), DECODE, "window: an integer out of range", "a window of 4 GiB"),
    ("seq-short", raw(12, b"\x02"), DECODE, "seq: not an integer of nine", "a number of the message in one byte"),
    ("seq-negative", raw(12, b"\xd3" + b"\xff" * 8), DECODE, "seq: not an integer of nine", "number -1"),
    ("seq-string", raw(12, b"\xa8" + b"12345678"), DECODE, "seq: not an integer of nine", "a number in letters"),
    ("deadline-short", raw(13, b"\x00"), DECODE, "deadline: the bytes end", "no deadline, in one byte"),
    ("deadline-float", raw(13, b"\xcb\x42\x79\xb7\x74\x53\x60\x00\x00"), DECODE, "deadline: not an integer of nine", "a deadline with a point"),
    ("deadline-time", raw(13, b"\xd7\xff" + bytes(8)), DECODE, "deadline: not an integer of nine", "a deadline as the timestamp extension"),
    ("ext", raw(7, b"\xd4\x01\x00"), DECODE, "corr: an extension", "an extension type"),
    ("nested", raw(9, b"\x91" * 300 + b"\x00"), DECODE, "role: not an integer", "300 arrays for a number"),
    ("long", wire.envelope(GOOD) + bytes(512), LIMIT, "the limit is 512", "more than 512 bytes"),
)

README = """# Bytes that are no message

Made by `messages/gen/amagen.py update`; each is fed to the decoder by `messages_bad_wire_test`, which reads this table, and to the fuzz
targets as a seed. A body begins with two bytes that are not part of it: the type of the message. What needs a peer, and not only bytes
(a forged sender, another epoch, a message that is missing or comes twice, a deadline that has passed, a missing or a ten thousandth
frame, a type that is unknown), is in the table of `tests/unit/runtime/refusal_test.c`; what is too large for a file (8 MiB and a byte; a
small body that would be huge in memory) is made by the test itself.

| file | message | error | text | what it is |
| --- | --- | --- | --- | --- |
"""


def files(schema):
    """path below the root -> bytes; the README last."""
    types = {m.name: m.type for m in schema.messages()}
    rows = []
    for name, message, data, error, text, what in BODIES:
        rows.append(f"| body/{name}.bin | {message} | {error} | {text} | {what} |")
        yield f"{FOLDER}/body/{name}.bin", types[message].to_bytes(2, "big") + data
    for name, data, error, text, what in ENVELOPES:
        rows.append(f"| envelope/{name}.bin | envelope | {error} | {text} | {what} |")
        yield f"{FOLDER}/envelope/{name}.bin", data
    yield f"{FOLDER}/README.md", (README + "\n".join(rows) + "\n").encode()
