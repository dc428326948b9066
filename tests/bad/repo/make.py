"""The cases of EXPECT, for Python: trees/ are texts that git itself would refuse to write as a repository, packs/ are made here.

    make.py update             writes packs/
    make.py check              fails if update would change anything, or if README.md does not name every file
    make.py CASE FOLDER        the repository of trees/CASE.repo in FOLDER, bare
"""
import glob
import os
import re
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tools"))
from bad_git import BLOB, COMMIT, KINDS, OFS_DELTA, REF_DELTA, TREE, advertisement, commit, deflated, delta, header, line, oid, pack, tree  # noqa: E402

FILE = "100644"


# ---- trees/*.repo; tests/unit/fetcher/bad_repo.h is the grammar ----

ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0", b"\\": b"\\", b'"': b'"'}


class Repo:
    """Reads a description and writes a bare repository, whose loose objects we make ourselves. outside: what \\o stands for."""

    def __init__(self, text, folder, outside):
        self.folder, self.outside = folder, os.fsencode(outside)
        self.objects, self.tree, self.top, self.head, self.named = {}, None, None, None, False
        self.ref, self.commit = "", ""
        os.makedirs(folder)
        for row in text.split(b"\n"):
            if row and not row.startswith(b"#"):
                self.line(row)
        self.close_tree()
        if not self.head and self.top:
            self.add_commit("", self.top, b"bad\n")
        if not self.named and self.head:
            self.write("refs/heads/main", self.head.encode() + b"\n")
        for name, data in (("HEAD", b"ref: refs/heads/main\n"), ("config", b"[core]\n\tbare = true\n")):
            if not os.path.exists(os.path.join(folder, name)):
                self.write(name, data)
        for name in ("objects", "refs"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)

    def text(self, quoted):
        """The bytes that pieces "…"*N stand for."""
        out = b""
        for inner, times in re.findall(rb'"((?:[^"\\]|\\.)*)"(?:\*(\d+))?', quoted, re.S):
            one = re.sub(rb"\\(x..|.)", lambda m: bytes.fromhex(m.group(1)[1:].decode()) if m.group(1)[:1] == b"x" else
                         self.outside if m.group(1) == b"o" else ESCAPES[m.group(1)], inner, flags=re.S)
            out += one * int(times or 1)
        return out

    def put(self, kind, data, label, name=None):
        one = name or oid(kind, data)
        self.objects[label] = one
        self.write("objects/%s/%s" % (one[:2], one[2:]), zlib.compress(b"%s %d\0" % (KINDS[kind].encode(), len(data)) + data), "wb")
        return one

    def close_tree(self):
        if self.tree:
            self.top = self.put(TREE, self.tree[1], self.tree[0])
        self.tree = None

    def add_commit(self, label, root, text):
        self.head = self.put(COMMIT, commit(root, text=text.decode()), label)

    def one(self, label):
        return self.objects.get(label) or label

    def line(self, row):
        what, rest = row.split(b" ", 1)
        words = rest.split(b'"', 1)[0].decode().split()
        text = self.text(rest)
        if what in (b"entry", b"entries"):
            mode, one = words[-2:]
            for number in range(int(words[0])) if len(words) == 3 else [None]:
                name = text if number is None else text + b"%05d" % number
                self.tree = (self.tree[0], self.tree[1] + tree((mode, name, self.one(one))))
            return
        self.close_tree()
        if what == b"blob":
            self.put(BLOB, text, words[0])
        elif what == b"lie":
            self.put(BLOB, text, words[0], self.one(words[0]))
        elif what == b"tree":
            self.tree = (words[0], text)
        elif what == b"nest":
            for _ in range(int(words[0])):
                self.top = self.put(TREE, tree(*[("40000", b"d%d" % n, self.top) for n in range(int(words[1]))]), "")
        elif what == b"commit":
            self.add_commit(words[0], self.one(words[1]), text)
        elif what == b"ref":
            self.named = True
            self.write(words[0], self.one(words[1]).encode() + b"\n")
        elif what == b"file":
            self.write(words[0], text)
        elif what in (b"ask", b"pin"):
            setattr(self, "ref" if what == b"ask" else "commit", words[0])
        else:
            raise ValueError(row)

    def write(self, name, data, how="ab"):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, how) as file:
            file.write(data)
        if name.startswith("hooks/"):
            os.chmod(path, 0o755)


def read(name):
    with open(os.path.join(HERE, name), "rb") as file:
        return file.read()


def split_pack(data):
    """(what is announced, what is sent) of a file of packs/."""
    at = data.find(b"PACK")
    return (data, b"") if at < 0 else (data[:at], data[at:])


# ---- G10: what a server may send ----

def objects(case, text=b"x\n"):
    """The case is in the commit's text, so that no snapshot of another case can stand in for this one."""
    blob = (BLOB, text)
    root = (TREE, tree((FILE, b"maki.yml", oid(*blob))))
    top = (COMMIT, commit(oid(*root), text=case))
    return oid(*top), top, root, blob


def refs_of(head):
    return [(head, "HEAD"), (head, "refs/heads/main")]


def good_pack(case):
    head, *all_of = objects(case)
    return refs_of(head), pack(*all_of), None


def bad_checksum(case):
    head, *all_of = objects(case)
    return refs_of(head), pack(*all_of, checksum=False), None


def truncated(case):
    refs, data, _ = good_pack(case)
    return refs, data[:-30], None


def garbage(case):
    refs, _, _ = good_pack(case)
    return refs, b"PACK" + bytes(range(256)) * 8, None


def nothing(case):
    refs, _, _ = good_pack(case)
    return refs, b"", None


def count_lies(count):
    def make(case):
        head, *all_of = objects(case)
        return refs_of(head), pack(*all_of, count=count), None
    return make


def other_commit(case):
    """What is announced is not what is sent."""
    _, *all_of = objects(case + " in another form", b"other\n")
    return refs_of(objects(case)[0]), pack(*all_of), None


def without_blob(case):
    head, top, root, _ = objects(case)
    return refs_of(head), pack(top, root), None


def without_tree(case):
    head, top, _, blob = objects(case)
    return refs_of(head), pack(top, blob), None


def delta_bomb(result):
    """A few bytes that claim to become very many."""
    def make(case):
        head, top, root, blob = objects(case, b"y" * 64)
        copy = b"\x90\x40" * 200  # copy 64 bytes from 0, again and again
        return refs_of(head), pack(top, root, (REF_DELTA, oid(BLOB, b"y" * 63), delta(63, result, copy)), (BLOB, b"y" * 63)), None
    return make


def delta_cycle(case):
    head, top, root, blob = objects(case)
    a, b = "a" * 40, "b" * 40
    return refs_of(head), pack(top, root, (REF_DELTA, a, delta(2, 2, b"\x90\x02")), (REF_DELTA, b, delta(2, 2, b"\x90\x02"))), None


def delta_outside(case):
    """Copies from behind the end of its base."""
    head, top, root, blob = objects(case, b"z" * 8)
    return refs_of(head), pack(top, root, blob, (REF_DELTA, oid(*blob), delta(8, 64, b"\x91\x04\x40"))), None


def huge_header(case):
    head, top, root, _ = objects(case)
    return refs_of(head), pack(top, root, header(BLOB, 1 << 60) + deflated(b"x")), None


def advertised(*names):
    """Names as a server announces them, beside a good main."""
    def make(case):
        head, *all_of = objects(case)
        return refs_of(head) + [(head, name) for name in names], pack(*all_of), None
    return make


def raw(make_bytes):
    def make(case):
        head, *all_of = objects(case)
        return [], pack(*all_of), make_bytes(head.encode())
    return make


def asked(*heads):
    """Heads of other commits, whose objects are sent too, beside a good main."""
    def make(case):
        head, *all_of = objects(case)
        other, *more = objects(case + " the other", b"other\n")
        return refs_of(head) + [(other, name) for name in heads], pack(*all_of, *more), None
    return make


def twice_named(case):
    """One name, two commits."""
    head, *all_of = objects(case)
    other, *more = objects(case + " the other", b"other\n")
    return [(head, "HEAD"), (head, "refs/heads/main"), (other, "refs/heads/main")], pack(*all_of, *more), None


def copies(size):
    """Commands that copy all of a base of this size."""
    out = b""
    for at in range(0, size, 0x800000):
        part = min(0x800000, size - at)
        out += b"\xff" + at.to_bytes(4, "little") + part.to_bytes(3, "little")
    return out


def ofs_delta(distance, data):
    """A delta whose base begins so many bytes before it."""
    out = [distance & 0x7f]
    while distance > 0x7f:
        distance = (distance >> 7) - 1
        out.append(distance & 0x7f | 0x80)
    return header(OFS_DELTA, len(data)) + bytes(reversed(out)) + deflated(data)


def doubling(levels):
    """Every size is true: 64 bytes, and deltas that each say the one before twice."""
    def make(case):
        head, top, root, _ = objects(case)
        size, last = 64, header(BLOB, 64) + deflated(b"d" * 64)
        parts = [last]
        for _ in range(levels):
            last = ofs_delta(len(last), delta(size, size * 2, copies(size) * 2))
            size *= 2
            parts.append(last)
        return refs_of(head), pack(top, root, *parts), None
    return make


def chain(links, backwards):
    """A delta of a delta of a delta, sent in the order of their making or the other way round."""
    def make(case):
        head, top, root, blob = objects(case)
        parts, text = [], blob[1]
        for number in range(links):
            more = b"%04d" % number
            parts.append((REF_DELTA, oid(BLOB, text), delta(len(text), len(text) + 4, copies(len(text)) + b"\x04" + more)))
            text += more
        return refs_of(head), pack(top, root, blob, *(reversed(parts) if backwards else parts)), None
    return make


def zeros(size):
    """A file of zeros: few bytes that become many, and say so."""
    def make(case):
        head, top, root, _ = objects(case, bytes(size))
        return refs_of(head), pack(top, root, (BLOB, bytes(size))), None
    return make


def kind(number):
    """Objects of a kind that there is not."""
    def make(case):
        head, top, root, _ = objects(case)
        return refs_of(head), pack(top, root, header(number, 2) + deflated(b"x\n")), None
    return make


def object_twice(case):
    head, *all_of = objects(case)
    return refs_of(head), pack(*all_of, *all_of), None


SERVICE = line(b"# service=git-upload-pack\n") + b"0000"

PACKS = {
    "G10-good": good_pack, "G10-checksum": bad_checksum, "G10-truncated": truncated, "G10-garbage": garbage, "G10-nothing": nothing,
    "G10-count-more": count_lies(4), "G10-count-fewer": count_lies(2), "G10-count-4g": count_lies(0xffffffff), "G10-other": other_commit,
    "G10-without-blob": without_blob, "G10-without-tree": without_tree, "G10-delta-bomb": delta_bomb(1 << 40),
    "G10-delta-size": delta_bomb(12345), "G10-delta-cycle": delta_cycle, "G10-delta-outside": delta_outside, "G10-huge": huge_header,
    "G10-delta-doubles": doubling(26), "G10-delta-chain": chain(500, False), "G10-delta-chain-back": chain(500, True),
    "G10-zeros": zeros(3 << 20), "G10-object-twice": object_twice, "G10-kind-0": kind(0), "G10-kind-5": kind(5),
    "G10-ref-head": asked("refs/heads/HEAD"), "G10-ref-hex": asked("refs/heads/" + "3" * 40), "G10-ref-twice": twice_named,
    "G10-ref-climbs": advertised("refs/heads/../../x"), "G10-ref-dash": asked("refs/heads/-x"),
    "G10-ref-control": advertised(b"refs/heads/a\x1b[2J"), "G10-ref-lock": advertised("refs/heads/x.lock"), "G10-ref-alien": advertised("HEAD2", "x"),
    "G10-line-length": raw(lambda head: SERVICE + b"ffff" + head), "G10-line-short": raw(lambda head: SERVICE + b"0001"),
    "G10-line-no-hex": raw(lambda head: SERVICE + b"zzzz" + head), "G10-oid": raw(lambda head: SERVICE + line(b"x" * 40 + b" HEAD\n") + b"0000"),
    "G10-error": raw(lambda head: SERVICE + line(b"ERR you are \x1b[31mnot\x1b[0m welcome\n") + b"0000"),
    "G10-error-full": raw(lambda head: SERVICE + line(b"ERR No space left on device\n") + b"0000"),
    "G10-error-denied": raw(lambda head: SERVICE + line(b"ERR access denied\n") + b"0000"),
    "G10-error-redirect": raw(lambda head: SERVICE + line(b"ERR cannot redirect\n") + b"0000"),
    "G10-symref": raw(lambda head: SERVICE + line(head + b" HEAD\0symref=HEAD:refs/heads/../../evil ofs-delta\n") +
                      line(head + b" refs/heads/main\n") + b"0000"),
}


def packs():
    """(name, bytes) of all files of packs/."""
    for case, make in PACKS.items():
        refs, data, announced = make(case)
        yield "packs/%s.pack" % case, (announced or advertisement(refs)) + data


def check():
    made, stale = dict(packs()), []
    for name in sorted(set(made) | {os.path.relpath(path, HERE) for path in glob.glob(HERE + "/packs/*")}):
        if not os.path.exists(os.path.join(HERE, name)) or read(name) != made.get(name):
            stale.append("%s: not what make.py makes; run tests/bad/repo/make.py update and commit it" % name)
    told = read("README.md").decode()
    for path in sorted(glob.glob(HERE + "/trees/*") + glob.glob(HERE + "/packs/*")):
        if "`%s`" % os.path.basename(path).rsplit(".", 1)[0] not in told:
            stale.append("%s: README.md does not say what it is for" % os.path.relpath(path, HERE))
    print("\n".join(stale) or "%d packs" % len(made))
    return 1 if stale else 0


def update():
    for name, data in packs():
        with open(os.path.join(HERE, name), "wb") as file:
            file.write(data)


def main():
    if sys.argv[1:] == ["check"]:
        return check()
    if sys.argv[1:] == ["update"]:
        return update()
    case, folder = sys.argv[1:]
    Repo(read("trees/%s.repo" % case), folder, os.path.join(tempfile.gettempdir(), "outside"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
