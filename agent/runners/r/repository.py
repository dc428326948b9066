"""Repositories of R packages, of CRAN's shape: an address, or a folder. What is fetched is kept, and taken when nobody answers; nothing of a package is run."""
import contextlib
import gzip
import hashlib
import html
import os
import re
import zlib

import archives
import dcf
from fetching import Missing, credentials, download
from making import Refused, Trouble, content, digest_of

INDEX_MAX = 64 << 20
FILE_MAX = 512 << 20
FIELDS = ("Package", "Version", "Depends", "Imports", "LinkingTo", "MD5sum", "Path", "Priority")
SUBFOLDER = r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"      # of src/contrib, as an index says it: 4.3.0/Recommended


def unpacked(path, limit):
    """The text of a file that may be compressed."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if packed else open)(path, "rb") as file:
            text = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(f"{os.path.basename(path)} can not be read: {error}") from None
    if len(text) > limit:
        raise Refused(f"{os.path.basename(path)} is more than {limit >> 20} MiB")
    return text.decode("utf-8", "replace")


class Source:
    """A package as an archive: what its DESCRIPTION says, and whether it has anything to compile."""

    def __init__(self, path, name, what):
        self.path, self.record, self.compiled = path, None, False
        for inner, text in archives.files(path, what, "is no package", lambda inner: inner == f"{name}/DESCRIPTION"):
            if text is not None and self.record is None:
                self.record = next(dcf.records(text), {})
            self.compiled |= inner.startswith(f"{name}/src/")
        if not self.record or self.record.get("Package") != name or not re.fullmatch(dcf.VERSION, self.record.get("Version", "")):
            raise Refused(f"{what} is no package {name}")


class Repository:
    """address: with a scheme, or a path, which is a folder and called shown. keep: a folder for what is fetched. machine: it is R's own, not the job's."""

    def __init__(self, address, shown, keep, say, machine=False):
        self.address, self.remote, self.say, self.machine = address.rstrip("/"), "://" in address, say, machine
        self.shown = credentials(address)[0] if self.remote else shown
        self.keep = os.path.join(keep, digest_of(self.shown))
        self.known, self.away, self.listed = None, False, {}

    # ---- files

    def path_of(self, name, limit, again):
        """A file below it, on this disk. again: it may have changed, and what is kept is for when nobody answers."""
        if not self.remote:
            root = os.path.realpath(self.address)
            path = os.path.realpath(os.path.join(root, name))
            if not path.startswith(root + os.sep):
                raise Refused(f"{self.shown}/{name} leaves its folder")
            if not os.path.isfile(path):
                raise Missing(f"{self.shown}/{name}")
            return path
        path = os.path.join(self.keep, name.replace("/", "+"))
        if os.path.exists(path) and (not again or self.away):
            os.utime(path)
            return path
        os.makedirs(self.keep, mode=0o700, exist_ok=True)
        try:
            download(f"{self.address}/{name}", path, limit)
        except Trouble:
            if not os.path.exists(path):
                raise
            self.away = True
            self.say(f"{self.shown} can not be reached: trying with what was fetched before")
        return path

    def index(self):
        """Package to the records of its versions."""
        if self.known is None:
            text = trouble = None
            for name in ("src/contrib/PACKAGES.gz", "src/contrib/PACKAGES"):
                if text is None:
                    try:
                        text = unpacked(self.path_of(name, INDEX_MAX, True), INDEX_MAX)
                    except Missing:
                        pass
                    except Trouble as error:        # the other one may have been fetched before
                        trouble = trouble or error
            if text is None:
                raise trouble or Refused(f"{self.shown} is no repository of R packages: it has no src/contrib/PACKAGES")
            self.known = {}
            for record in dcf.records(text, FIELDS):
                if re.fullmatch(dcf.NAME, record.get("Package", "")) and re.fullmatch(dcf.VERSION, record.get("Version", "")):
                    self.known.setdefault(record["Package"], []).append(record)
        return self.known

    def archived(self, name):
        """The versions in its archive, as they are written; none if it does not list them."""
        if name not in self.listed:
            found = rf"{re.escape(name)}_({dcf.VERSION})\.tar\.gz"
            folder = f"src/contrib/Archive/{name}"
            if not self.remote:
                root = os.path.join(os.path.realpath(self.address), folder)
                names = sorted(os.listdir(root)) if os.path.isdir(root) else []
                self.listed[name] = [match[1] for match in (re.fullmatch(found, entry) for entry in names) if match]
                return self.listed[name]
            try:
                text = html.unescape(unpacked(self.path_of(folder + "/", INDEX_MAX, True), INDEX_MAX))
            except (Missing, Refused):
                text = ""
            except Trouble:
                if not self.away:
                    raise
                text = ""
            self.listed[name] = sorted(set(re.findall(rf"[\"'/]{found}[\"']", text)))
        return self.listed[name]

    def fetch(self, name, version, record=None):
        """Source of that version: the index's, or one of the archive. Missing if there is none."""
        file = f"{name}_{version}.tar.gz"
        places = [f"src/contrib/{file}", f"src/contrib/Archive/{name}/{file}"]
        if record:
            folder = record.get("Path", "")
            places = [f"src/contrib/{folder + '/' if re.fullmatch(SUBFOLDER, folder) else ''}{file}"]
        for place in places[::1 if record else -1]:
            with contextlib.suppress(Missing):
                return self.source(place, name, record and record.get("MD5sum"))
        raise Missing(file)

    def source(self, place, name, md5=None, sha256=None):
        path = self.path_of(place, FILE_MAX, False)
        for again in (False, True):
            if self.is_whole(path, md5, sha256):
                break
            if again or not self.remote:
                raise Refused(f"{self.shown}/{place} is not the file that " + ("its index tells of: its sum is another one" if md5 else "the lock tells of: its digest is another one"))
            os.unlink(path)         # of an index that has changed
            path = self.path_of(place, FILE_MAX, False)
        source = Source(path, name, f"{self.shown}/{place}")
        source.place, source.repository = place, self
        return source

    @staticmethod
    def is_whole(path, md5, sha256):
        if sha256:
            return content(path) == sha256
        if not md5:
            return True
        found = hashlib.md5(usedforsecurity=False)
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                found.update(part)
        return found.hexdigest() == md5.lower()
