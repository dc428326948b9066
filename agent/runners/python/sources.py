"""Packages that a job wants built from source (--no-binary): found in its folders and in indexes, and made into wheels in the sandbox, as PEP 517 says. For environment.py.

What is fetched and read here is data; what an archive's author wrote runs in the sandbox alone (build_wheel.py, by building.py), with no password of anybody. What it needs to be built comes as wheels.
"""
import contextlib
import email.parser
import html.parser
import json
import os
import re
import stat
import sys
import urllib.parse
import zipfile

import archives
from building import BUILD, LIMIT_S, Sandbox, check_build, read_log
from fetching import Missing, credentials, download
from making import Refused, Trouble, content, digest_of, plain, remove
from names import canonical

HERE = os.path.dirname(os.path.realpath(__file__))
PAGE_MAX = 64 << 20
FILE_MAX = 512 << 20
BUILD_MAX = 4 << 30         # bytes of a build, with the packages that it needs
MORE_WANTED = 7             # build_wheel.py's exit code
LEGACY = ["setuptools>=40.8", "wheel"]      # PEP 518, of what has no pyproject.toml
PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[A-Za-z0-9._, -]*\])?\s*==\s*([A-Za-z0-9][A-Za-z0-9.!+_-]*)((?: --hash=sha256:[0-9a-fA-F]{64})*)")
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9._, -]*\])?[^@/\\\n\r#]*")    # a requirement that is no address, path or option


def same_version(one, other):
    def bare(text):
        text = re.sub(r"^v", "", text.lower())
        return re.sub(r"(\.0)+$", "", text) if re.fullmatch(r"[0-9.]+", text) else text
    return bare(one) == bare(other)


class Links(html.parser.HTMLParser):
    """The files that a page of an index names (PEP 503), as addresses."""

    def __init__(self, page, text):
        super().__init__()
        self.page, self.found = page, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        href = dict(attrs).get("href")
        if tag == "base" and href:
            self.page = urllib.parse.urljoin(self.page, href)
        if tag == "a" and href:
            with contextlib.suppress(ValueError):
                self.found.append(urllib.parse.urljoin(self.page, href))


class Source:
    """One of them. maker: the Environment that it is for."""

    def __init__(self, maker, entry):
        match = PINNED.fullmatch(entry["text"])
        self.maker, self.where = maker, f"{entry['file']}:{entry['line']}: {entry['text'].split(' --hash')[0]}"
        if not match:
            raise Refused(f"{self.where}: what is built from source has one version and no marker: NAME==VERSION")
        self.name, self.extras, self.version = match[1], match[2] or "", match[3]
        self.key, self.hashes = canonical(self.name), [digest.lower() for digest in re.findall(r"[0-9a-fA-F]{64}", match[4])]
        self.folder = os.path.join(maker.making, "ama-built", digest_of(self.key))

    # ---- the archive

    def is_it(self, file):
        stem = file.removesuffix(".tar.gz")
        name, _, version = stem.rpartition("-")
        return stem != file and canonical(name) == self.key and same_version(version, self.version)

    def find(self):
        """Its path, below self.folder or in the job's repository."""
        remove(self.folder)
        os.makedirs(self.folder)
        for _, folder in self.maker.links:
            for file in sorted(os.listdir(folder)):
                if self.is_it(file) and os.path.isfile(os.path.join(folder, file)):
                    return self.checked(os.path.join(folder, file), "", file)
        for page, whole in self.maker.pages(self.key):
            address = self.on_page(page)
            if address:
                return self.fetch(page, address)
            if address == "" and whole:
                break       # the first index that has a package is the only one
        raise Refused(f"{self.where}: there is no source archive {self.name}-{self.version}.tar.gz in what the job names, or the machine is configured with")

    def on_page(self, page):
        """The address of its archive; "" if only others of the package are there, None if nothing is."""
        path = os.path.join(self.folder, "page")
        try:
            download(page, path, PAGE_MAX)
        except Missing:
            return None
        with open(path, encoding="utf-8", errors="replace") as file:
            links = Links(credentials(page)[0], file.read()).found
        for link in links:
            if self.is_it(urllib.parse.unquote(urllib.parse.urlsplit(link).path.rpartition("/")[2])):
                return link
        return "" if links else None

    def fetch(self, page, address):
        parts, at = urllib.parse.urlsplit(address), urllib.parse.urlsplit(page)
        if parts.scheme not in ("https", "http") or parts.scheme == "http" and at.scheme == "https":
            raise Refused(f"{self.where}: {plain(address)} is no https address")
        user = at.netloc.rpartition("@")[0]
        if user and "@" not in parts.netloc and parts.netloc == at.netloc.rpartition("@")[2]:
            parts = parts._replace(netloc=f"{user}@{parts.netloc}")
        path = os.path.join(self.folder, "source.tar.gz")
        try:
            download(urllib.parse.urlunsplit(parts._replace(fragment="")), path, FILE_MAX)
        except Missing as missing:
            raise Refused(f"{self.where}: {missing} is not there any more") from None
        told = re.search(r"(?:^|&)sha256=([0-9a-fA-F]{64})", parts.fragment)
        return self.checked(path, told[1].lower() if told else "", plain(credentials(address)[0]))

    def checked(self, path, told, shown):
        self.sha256 = content(path)
        if told and self.sha256 != told:
            raise Trouble(f"{self.where}: {shown} is not the file that its index tells of: its digest is another one")
        if self.hashes and self.sha256 not in self.hashes:
            raise Refused(f"{self.where}: {shown} has the digest {self.sha256}, which is none that is asked for")
        return path

    def read(self, archive, names):
        """Those files in its own folder, as text."""
        def inner(path):
            folder, _, name = path.removeprefix("./").partition("/")
            return name if folder else ""

        found = archives.files(archive, f"{self.where}: its archive", "can not be read", lambda path: inner(path) in names)
        return {inner(path): text for path, text in found if text is not None}

    # ---- the wheel

    def requires(self, archive):
        try:
            import tomllib
        except ImportError:
            raise Refused(f"{self.where}: packages are built from source by Python 3.11 or a later one") from None
        try:
            told = tomllib.loads(self.read(archive, ("pyproject.toml",)).get("pyproject.toml", "")).get("build-system", {}).get("requires", LEGACY)
        except (tomllib.TOMLDecodeError, AttributeError) as error:
            raise Refused(f"{self.where}: its pyproject.toml can not be read: {plain(str(error))}") from None
        return self.plain_ones(told)

    def plain_ones(self, told):
        """Of an author, so no option, path or address."""
        if not isinstance(told, list) or len(told) > 200 or not all(isinstance(text, str) and len(text) < 500 and PLAIN.fullmatch(text) for text in told):
            raise Refused(f"{self.where}: what it names to be built with are no requirements by name and version: {plain(str(told))[:300]}")
        return told

    def build(self):
        """The path of its wheel."""
        archive = self.find()
        wanted, python = self.requires(archive), os.path.join(self.folder, "env/bin/python")
        self.maker.say(f"building {self.name} {self.version}")
        for again in (False, True):
            self.maker.make_build_environment(os.path.join(self.folder, "env"), wanted, self.where)
            temp, wheels = os.path.join(self.folder, "tmp"), os.path.join(self.folder, "wheels")
            for folder in (temp, wheels):
                remove(folder)
                os.mkdir(folder)
            asked = os.path.join(temp, "ama-wanted.json")
            log = os.path.join(temp, "ama-build.log")
            how = Sandbox(self.folder, BUILD_MAX).run({
                "argv": [*BUILD, python, "-I", os.path.join(HERE, "build_wheel.py"), archive, os.path.join(temp, "source"), wheels, "" if again else asked],
                "env": [f"HOME={temp}", f"TMPDIR={temp}", f"PATH={self.folder}/env/bin:{os.environ.get('PATH', '/usr/bin:/bin')}", f"AMA_BUILD_LOG={log}", "SOURCE_DATE_EPOCH=315532800"],
                "cwd": temp, "read": [archive, os.path.join(self.folder, "env"), HERE, sys.base_prefix], "write": [temp, wheels], "limit_ms": LIMIT_S * 1000})
            text = read_log(log)
            if how == f"exit {MORE_WANTED}" and not again:
                wanted = wanted + self.plain_ones(self.asked(asked))
                continue
            if how == "exit 0":
                return self.only_wheel(wheels)
            check_build(how, self.where, text)
            raise Refused(f"{self.where} can not be built: {self.reason(text) or how}")

    @staticmethod
    def asked(path):
        with contextlib.suppress(ValueError):
            return json.loads(read_log(path))
        return None

    def only_wheel(self, folder):
        """What lies there was written by its author: a link is not followed."""
        for file in os.listdir(folder):
            name, version, *_ = file.split("-") + [""]
            path = os.path.join(folder, file)
            if file.endswith(".whl") and canonical(name) == self.key and same_version(version, self.version) and stat.S_ISREG(os.lstat(path).st_mode):
                return path
        raise Refused(f"{self.where}: no wheel of that name and version came of it: {plain(' '.join(sorted(os.listdir(folder))))[:200] or 'nothing did'}")

    @staticmethod
    def reason(text):
        """What an exception says, else the last lines."""
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        bad = [line for line in lines if re.search(r"\b(error|fatal)\b", line, re.I)] + [line for line in lines if re.match(r"[A-Za-z_.]*(Error|Exception|Exit)\b", line)]
        return plain(" ".join([*dict.fromkeys(bad[-4:])] if bad else lines[-4:]))

    # ---- for a lock, where nothing is built

    def described(self):
        """A wheel with nothing in it but what the archive says of itself, if that is final (PEP 643)."""
        archive = self.find()
        text = self.read(archive, ("PKG-INFO",)).get("PKG-INFO", "")
        told = email.parser.Parser().parsestr(text, headersonly=True)
        dynamic = {value.strip().lower() for value in told.get_all("Dynamic", [])}
        number = re.fullmatch(r"(\d+)\.(\d+)", told.get("Metadata-Version", "").strip())
        if not number or (int(number[1]), int(number[2])) < (2, 2) or dynamic & {"requires-dist", "provides-extra", "requires-python", "version"}:
            raise Refused(f"{self.where}: only its build could say what it needs (its archive's PKG-INFO does not, finally), so it can not be locked: build a wheel of it, and name its folder with --find-links")
        stem = f"{self.key.replace('-', '_')}-{self.version}"
        path = os.path.join(self.folder, f"{stem}-py3-none-any.whl")
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", text)
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: amaterasu\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
        return path

    def requirement(self, wheel):
        return f"{self.name}{self.extras} @ file://{urllib.parse.quote(wheel)}"
