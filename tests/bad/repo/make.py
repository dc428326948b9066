"""Makes the bad repositories of EXPECT: git itself refuses most of them, so their objects are written by hand.

As a program:  make.py CASE FOLDER      a bare repository in FOLDER, or for the pack cases a description of what a server would send
As a module:   TREES[case](repo) fills a Repo; PACKS[case](case) gives (refs, pack, advertised) for tests/tools/bad_git.py
"""
import hashlib
import os
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
from bad_git import BLOB, COMMIT, REF_DELTA, TAG, TREE, advertisement, commit, delta, header, line, oid, pack, tree  # noqa: E402

FILE, PROGRAM, LINK, FOLDER, MODULE = "100644", "100755", "120000", "40000", "160000"


class Repo:
    """A bare repository whose loose objects we write ourselves."""

    def __init__(self, folder):
        self.folder = folder
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder], check=True)

    def put(self, kind, data):
        one = oid(kind, data)
        names = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
        path = os.path.join(self.folder, "objects", one[:2], one[2:])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(zlib.compress(b"%s %d\0" % (names[kind], len(data)) + data))
        return one

    def blob(self, data):
        return self.put(BLOB, data if isinstance(data, bytes) else data.encode())

    def tree(self, *entries):
        return self.put(TREE, tree(*entries))

    def head(self, *entries):
        """The commit of main: these entries and a maki.yml."""
        if not any(name == b"maki.yml" for _, name, _ in entries):
            entries += ((FILE, b"maki.yml", self.blob("job-name: bad\n")),)
        top = self.put(COMMIT, commit(self.tree(*entries)))
        self.ref("refs/heads/main", top)
        return top

    def ref(self, name, one):
        self.write(name, one + "\n")

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)


# ---- G6: names and modes ----

def named(name, mode=FILE):
    return lambda repo: repo.head((mode, name, repo.blob("evil\n") if mode != FOLDER else repo.tree((FILE, b"x", repo.blob("evil\n")))))


def twice(first, second):
    def make(repo):
        one = {FILE: repo.blob("a\n"), LINK: repo.blob("/tmp"), FOLDER: repo.tree((FILE, b"evil", repo.blob("b\n")))}
        repo.head((first, b"d", one[first]), (second, b"d", one[second]))
    return make


def deep(levels):
    def make(repo):
        one = repo.tree((FILE, b"x", repo.blob("x\n")))
        for _ in range(levels):
            one = repo.tree((FOLDER, b"d", one))
        repo.head((FOLDER, b"d", one))
    return make


def bomb(repo):
    """Ten trees, each ten times the one below: 10^10 files out of 5 kB."""
    one = repo.tree((FILE, b"x", repo.blob("x\n")))
    for _ in range(10):
        one = repo.tree(*[(FOLDER, b"d%d" % n, one) for n in range(10)])
    repo.head((FOLDER, b"d", one))


def own_tree_as_file(repo):
    repo.head((FILE, b"x", repo.tree((FILE, b"y", repo.blob("y\n")))))


def blob_as_folder(repo):
    repo.head((FOLDER, b"x", repo.blob("y\n")))


def missing_blob(repo):
    repo.head((FILE, b"x", "1" * 40))


def wrong_blob(repo):
    """A loose object whose bytes are not those of its name."""
    one = repo.blob("true\n")
    path = os.path.join(repo.folder, "objects", one[:2], one[2:])
    os.unlink(path)
    with open(path, "wb") as file:
        file.write(zlib.compress(b"blob 5\0lies\n"))
    repo.head((FILE, b"x", one))


# ---- G7: links ----

def link(target, name=b"link"):
    return lambda repo: repo.head((LINK, name, repo.blob(target)))


def chain(repo):
    repo.head(*[(LINK, b"a%02d" % n, repo.blob("a%02d" % (n + 1))) for n in range(41)])


def two_step(repo):
    """Each link alone looks harmless."""
    inner = repo.tree((LINK, b"l", repo.blob("../..")), (LINK, b"m", repo.blob("l/../secret")))
    repo.head((FOLDER, b"d", repo.tree((FOLDER, b"e", inner))))


def src_is_link(repo):
    repo.head((LINK, b"src", repo.blob("..")))


# ---- G8: submodules ----

def modules(text, *entries):
    return lambda repo: repo.head((FILE, b".gitmodules", repo.blob(text)), *(entries or ((MODULE, b"sub", "2" * 40),)))


def many_modules(repo):
    repo.head(*[(MODULE, b"s%05d" % n, "2" * 40) for n in range(10000)])


# ---- G9: what a repository would like to run ----

def attributes(repo):
    repo.head((FILE, b".gitattributes", repo.blob("* filter=evil ident eol=crlf diff=evil merge=evil working-tree-encoding=UTF-16\n*.bin filter=lfs\n")),
              (FILE, b"id.txt", repo.blob("$Id$\nline\n")),
              (FILE, b"data.bin", repo.blob("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 4\n" % ("0" * 64))))
    repo.write("config", "[core]\n\tbare = true\n[filter \"evil\"]\n\tsmudge = touch CANARY; cat\n\trequired = true\n"
                         "[filter \"lfs\"]\n\tprocess = touch CANARY\n\tsmudge = touch CANARY\n")


def config_and_hooks(repo):
    for hook in ("post-checkout", "pre-receive", "update", "post-update", "reference-transaction", "fsmonitor"):
        repo.write("hooks/" + hook, "#!/bin/sh\ntouch CANARY\n", 0o755)
    repo.write("config", "[core]\n\tbare = true\n\tfsmonitor = touch CANARY\n\tsshCommand = touch CANARY\n\thooksPath = hooks\n"
                         "\tpager = touch CANARY\n\talternateRefsCommand = touch CANARY\n\teditor = touch CANARY\n"
                         "[uploadpack]\n\tpackObjectsHook = touch CANARY\n"
                         "[credential]\n\thelper = !touch CANARY\n[url \"ext::touch CANARY\"]\n\tinsteadOf = /\n[protocol]\n\tallow = always\n")
    repo.head()


def includes(path):
    def make(repo):
        repo.head()
        repo.write("config", "[core]\n\tbare = true\n[include]\n\tpath = %s\n" % path)
    return make


def common_dir(repo):
    repo.head()
    repo.write("commondir", "/nonexistent\n")


TREES = {
    "G6-dot-git": named(b".git"), "G6-dot-git-folder": named(b".git", FOLDER), "G6-upper": named(b".GIT", FOLDER),
    "G6-short": named(b"git~1"), "G6-ignorable": named(b".git\xe2\x80\x8c"), "G6-ntfs-stream": named(b".git::$INDEX_ALLOCATION"),
    "G6-trailing": named(b".git ."), "G6-up": named(b".."), "G6-up-folder": named(b"..", FOLDER), "G6-here": named(b".", FOLDER),
    "G6-slash": named(b"a/../b"), "G6-absolute": named(b"/tmp/evil"), "G6-empty": named(b""), "G6-long": named(b"n" * 4096),
    "G6-300": named(b"n" * 300), "G6-newline": named(b"a\nb"), "G6-escape": named(b"a\x1b[2J"), "G6-latin": named(b"caf\xe9"),
    "G6-mode": named(b"x", "777777"), "G6-mode-7": named(b"x", "0777777"), "G6-mode-device": named(b"x", "20644"),
    "G6-mode-old": named(b"x", "100664"), "G6-setuid": named(b"x", "104755"), "G6-mode-none": named(b"x", "0"),
    "G6-twice": twice(FILE, FILE), "G6-file-and-folder": twice(FILE, FOLDER), "G6-deep": deep(70), "G6-deep-enough": deep(60),
    "G6-bomb": bomb, "G6-tree-as-file": own_tree_as_file, "G6-file-as-folder": blob_as_folder, "G6-missing": missing_blob,
    "G6-wrong-bytes": wrong_blob,
    "G7-root": link("/"), "G7-passwd": link("/etc/passwd"), "G7-up": link(".."), "G7-up-two": link("../../x"), "G7-inside": link("maki.yml"),
    "G7-chain": chain, "G7-two-step": two_step, "G7-link-then-folder": twice(LINK, FOLDER), "G7-folder-then-link": twice(FOLDER, LINK),
    "G7-maki": link("/etc/passwd", b"maki.yml"), "G7-src": src_is_link, "G7-empty": link(""), "G7-nul": link(b"maki.yml\0x"),
    "G7-long": link("a/" * 3000),
    "G8-relative": modules('[submodule "s"]\n\tpath = sub\n\turl = ../..\n'), "G8-option": modules('[submodule "s"]\n\tpath = sub\n\turl = -u./x\n'),
    "G8-path": modules('[submodule "s"]\n\tpath = ../x\n\turl = /tmp\n'), "G8-hooks": modules('[submodule "../../hooks"]\n\tpath = sub\n\turl = /tmp\n'),
    "G8-carriage": modules('[submodule "s"]\n\tpath = "sub\r"\n\turl = /tmp\n', (MODULE, b"sub\r", "2" * 40)),
    "G8-self": modules('[submodule "s"]\n\tpath = sub\n\turl = .\n'), "G8-many": many_modules,
    "G9-attributes": attributes, "G9-config": config_and_hooks, "G9-include": includes("/etc/passwd"),
    "G9-include-device": includes("/dev/zero"), "G9-include-itself": includes("config"), "G9-include-nothing": includes("/nonexistent/x"), "G9-commondir": common_dir,
}


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
    return refs_of(head), pack(top, root, header(BLOB, 1 << 60) + zlib.compress(b"x")), None


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


SERVICE = line(b"# service=git-upload-pack\n") + b"0000"

PACKS = {
    "G10-good": good_pack, "G10-checksum": bad_checksum, "G10-truncated": truncated, "G10-garbage": garbage, "G10-nothing": nothing,
    "G10-count-more": count_lies(4), "G10-count-fewer": count_lies(2), "G10-count-4g": count_lies(0xffffffff), "G10-other": other_commit,
    "G10-without-blob": without_blob, "G10-without-tree": without_tree, "G10-delta-bomb": delta_bomb(1 << 40),
    "G10-delta-size": delta_bomb(12345), "G10-delta-cycle": delta_cycle, "G10-delta-outside": delta_outside, "G10-huge": huge_header,
    "G10-ref-climbs": advertised("refs/heads/../../x"), "G10-ref-dash": advertised("refs/heads/-x"),
    "G10-ref-control": advertised(b"refs/heads/a\x1b[2J"), "G10-ref-lock": advertised("refs/heads/x.lock"), "G10-ref-alien": advertised("HEAD2", "x"),
    "G10-line-length": raw(lambda head: SERVICE + b"ffff" + head), "G10-line-short": raw(lambda head: SERVICE + b"0001"),
    "G10-line-no-hex": raw(lambda head: SERVICE + b"zzzz" + head), "G10-oid": raw(lambda head: SERVICE + line(b"x" * 40 + b" HEAD\n") + b"0000"),
    "G10-error": raw(lambda head: SERVICE + line(b"ERR you are \x1b[31mnot\x1b[0m welcome\n") + b"0000"),
    "G10-symref": raw(lambda head: SERVICE + line(head + b" HEAD\0symref=HEAD:refs/heads/../../evil ofs-delta\n") +
                      line(head + b" refs/heads/main\n") + b"0000"),
}


def main():
    case, folder = sys.argv[1:]
    if case in TREES:
        TREES[case](Repo(folder))
        return
    refs, data, raw_refs = PACKS[case](case)
    os.makedirs(folder)
    with open(os.path.join(folder, "advertisement"), "wb") as file:
        file.write(raw_refs or advertisement(refs))
    with open(os.path.join(folder, "pack"), "wb") as file:
        file.write(data)
    print(hashlib.sha1(data).hexdigest())


if __name__ == "__main__":
    main()
