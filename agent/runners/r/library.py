"""Makes the library of R packages of an action, once: library.py [--lock] CACHE_DIR -. Run by install.sh.

Its packages come as a line of JSON on standard input (the agent's kernel_packages.c). On standard output, one a line: env=NAME=VALUE for the kernel, read=PATH for what its sandbox is to open; or
refused=TEXT: there can be no such library, and trying again will not help. On standard error: what it does. With --lock nothing is made; what the packages come to is said. Exit code 3: they can not be
had together.

  CACHE_DIR/r/lib-DIGEST/library   a library, named by all that it is made of; whole when lib-DIGEST/.used is there
  CACHE_DIR/r/files/               what was fetched once
  CACHE_DIR/r/machine-DIGEST.json  what R says of itself

Packages are built from source, which runs what their authors wrote. That is never done here: each build is asked of the agent ("confine=…", agent/booth.h), which runs it in the sandbox of actions and answers
how it ended. What it may write to is the library that is being made, and a folder for its temporary files.
"""
import contextlib
import json
import os
import re
import shutil
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path += [os.path.dirname(HERE), HERE]
import dcf  # noqa: E402
from building import BUILD, LIMIT_S, Sandbox, check_build, read_log  # noqa: E402
from making import Maker, Refused, Trouble, content, digest_of, inside, main, plain, processes, remove  # noqa: E402

SCHEME = "1"                # of what lies in a library
LIBRARY_MAX = 4 << 30       # bytes of a library while it is made, with temporary files
LOCK_LINE = re.compile(rf"({dcf.NAME}) ({dcf.VERSION}) (?:installed|sha256:([0-9a-f]{{64}}) (\S+))")
ASK_R = """say <- function(word, values) for (value in values) cat("ama:", word, "=", value, "\\n", sep = "")
say("version", paste(R.version$major, R.version$minor, sep = ".")); say("platform", R.version$platform); say("home", R.home())
say("library", c(.Library.site, .Library)); say("repository", getOption("repos"))"""


class Machine:
    """R as it is installed here: asked once, and again when what it reads at its start has changed."""

    def __init__(self, cache):
        self.program = shutil.which("R")
        if not self.program:
            raise Trouble("there is no R on this machine (Debian: r-base-core)")
        home = os.path.dirname(os.path.dirname(os.path.realpath(self.program)))
        files = [os.path.realpath(self.program), os.path.expanduser("~/.Rprofile"), os.path.expanduser("~/.Renviron"), *(os.environ.get(name, "") for name in ("R_PROFILE", "R_ENVIRON")),
                 *(os.path.join(folder, name) for folder in (os.path.join(home, "etc"), "/etc/R") for name in ("Renviron", "Renviron.site", "Rprofile.site", "ldpaths"))]
        self.key = digest_of(SCHEME, *(f"{path} {self.changed(path)}" for path in files), *(f"{name}={os.environ.get(name)}" for name in ("R_HOME", "R_LIBS_SITE")))
        path = os.path.join(cache, f"machine-{self.key}.json")
        try:
            with open(path) as file:
                known = json.load(file)
        except (OSError, ValueError):
            known = self.ask(cache)
            temp = os.open(f"{path}.{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)      # an address may hold a password
            with open(temp, "w") as file:
                json.dump(known, file)
            os.replace(f"{path}.{os.getpid()}", path)
        self.version, self.platform, self.home = known["version"][0], known["platform"][0], known["home"][0]
        self.libraries = list(dict.fromkeys(os.path.normpath(path) for path in known.get("library", []) if path))
        self.repositories = [url for url in known.get("repository", []) if url.startswith(("https://", "http://"))]
        self.installed = self.look()

    @staticmethod
    def changed(path):
        with contextlib.suppress(OSError):
            at = os.stat(path)
            return f"{at.st_mtime_ns} {at.st_size}"
        return ""

    def ask(self, cache):
        import subprocess
        try:
            told = subprocess.run([self.program, "--no-echo", "--no-restore", "--no-save", "-e", ASK_R], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, cwd=cache, timeout=120)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Trouble(f"R can not be asked what it has: {error}") from None
        known = {}
        for word, value in re.findall(r"^ama:([a-z]+)=(.*)$", told.stdout, re.M):
            known.setdefault(word, []).append(value)
        if told.returncode or not {"version", "platform", "home", "library"} <= known.keys():
            raise Trouble(f"R can not be asked what it has: {plain(told.stderr or told.stdout)}")
        return known

    def look(self):
        """The packages in R's own libraries; of two the first counts, as for R."""
        found = {}
        for folder in self.libraries:
            with contextlib.suppress(OSError):
                for name in sorted(os.listdir(folder)):
                    with contextlib.suppress(OSError), open(os.path.join(folder, name, "DESCRIPTION"), encoding="utf-8", errors="replace") as file:
                        record = next(dcf.records(file.read(1 << 20), ("Package", "Version", "Depends", "Imports", "LinkingTo")), {})
                        if record.get("Package") == name and re.fullmatch(dcf.VERSION, record.get("Version", "")):
                            found.setdefault(name, record)
        return found


class Library(Maker):
    language, kind, title = "r", "lib-", "library of R packages"
    in_place = True     # packages may have written their own place down, with R's leave (StagedInstall)

    def __init__(self, cache, order):
        super().__init__(cache, order)
        os.makedirs(self.cache, mode=0o700, exist_ok=True)
        self.machine = Machine(self.cache)
        self.places = {}
        self.listed = list(dict.fromkeys(url for file in order.get("files", []) for url in file["repositories"]))
        folders = sorted({word for word in [*self.listed, *(p["text"].partition(" @ ")[2] for p in self.packages)] if word and word != "cran" and "://" not in word})
        self.name_it(SCHEME, self.machine.version, self.machine.platform, self.machine.program, *(f"{name} {record['Version']}" for name, record in sorted(self.machine.installed.items())),
                     *self.asked(), *(part for folder in folders for part in self.folder_parts(folder)))

    def asked(self):
        """As an environment: what stands in the files, or the lock alone."""
        if self.lock:
            return ["lock", content(self.lock)]
        return [*self.listed, *([] if self.listed and "" not in self.listed else self.machine.repositories), *sorted(package["text"] for package in self.packages)]

    def folder_parts(self, folder):
        root = os.path.join(inside(self.snapshot, folder), "src/contrib")
        yield folder
        for at, _, names in sorted(os.walk(root)):
            for path in (os.path.join(at, name) for name in sorted(names)):
                if os.path.isfile(path) and not os.path.islink(path):
                    yield f"{os.path.relpath(path, root)} {content(path)}"

    # ---- what it comes to

    def place(self, word):
        """The repository of an address, or of a folder of the job's."""
        import repository
        if word not in self.places:
            keep = os.path.join(self.cache, "files")
            if "://" in word:
                self.places[word] = repository.Repository(word, word, keep, self.say)
            else:
                self.places[word] = repository.Repository(inside(self.snapshot, word), word, keep, self.say)
        return self.places[word]

    def machines(self):
        import repository
        if "" not in self.places:
            self.places[""] = [repository.Repository(url, "", os.path.join(self.cache, "files"), self.say, machine=True) for url in self.machine.repositories]
        return self.places[""]

    def repositories(self):
        return [one for word in self.listed or [""] for one in ([self.place(word)] if word else self.machines())]

    def of_entry(self, word):
        if word != "cran":
            return self.place(word)
        if len(self.machines()) != 1:
            raise Refused(f"‘cran’ is {len(self.machines())} repositories here: R of this machine is to be configured with one")
        return self.machines()[0]

    def chosen(self):
        """The packages that are to be installed, those first that others need; and those that are installed already."""
        import resolve
        entries = [resolve.Entry(package) for package in self.packages]
        locked = self.read_lock(resolve.Chosen) if self.lock and not self.locking else None
        chosen = resolve.Resolver(entries, self.repositories(), self.of_entry, self.machine.installed, self.machine.version, locked).solve()
        entry_of = {entry.name: entry for entry in reversed(entries)}
        return self.ordered(chosen, entry_of), [package for package in chosen.values() if package.installed and package.name not in dcf.BASE]

    @staticmethod
    def ordered(chosen, entry_of):
        """Depth first; a circle, which R could not install either, is left as it is found."""
        done, order = set(), []

        def visit(name, entry):
            package = chosen.get(name)
            if name in done or not package or package.installed:
                return
            done.add(name)
            package.entry = entry_of.get(name, entry)
            for needed, _, _ in package.needs():
                visit(needed, package.entry)
            order.append(package)

        sys.setrecursionlimit(20000)
        for name, package in chosen.items():
            if name in entry_of or not package.installed:
                visit(name, entry_of.get(name))
        return order

    # ---- the lock

    def read_lock(self, chosen_class):
        with open(self.lock, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        found = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            match = LOCK_LINE.fullmatch(line)
            if not match or match[1] in found:
                raise Refused(f"{self.order['lock']}:{number}: {'stands twice' if match else 'is no line of a lock'}: {line[:200]} (ama deps lock)")
            found[match[1]] = lambda match=match, number=number: self.of_lock(match, f"{self.order['lock']}:{number}", chosen_class)
        return found

    def of_lock(self, match, where, chosen_class):
        name, version, sha256, place = match.groups()
        if not sha256:
            from resolve import Installed
            there = self.machine.installed.get(name)
            if not there or there["Version"] != version:
                raise Refused(f"{where}: {name} {version} was installed where the lock was made; here it is {there['Version'] if there else 'not'} (ama deps lock)")
            return Installed(there)
        address, _, tail = place.rpartition("/src/contrib/")
        if not address or not re.fullmatch(r"[A-Za-z0-9._/-]+", tail) or ".." in tail:
            raise Refused(f"{where}: {plain(place)} is no place of a package (ama deps lock)")
        if "://" in address and not address.startswith("https://"):
            from fetching import is_loopback
            if not address.startswith("http://") or not is_loopback(address):
                raise Refused(f"{where}: {plain(place)} is no https address")
        source = self.fetch_locked(self.machines() if address == "cran" else [self.place(address)], name, version, tail, sha256, where)
        if source.record["Version"] != version:
            raise Refused(f"{where}: the file is {name} {source.record['Version']}")
        return chosen_class(name, source)

    def fetch_locked(self, repositories, name, version, tail, sha256, where):
        """What has become an older version since lies in the archive now."""
        from fetching import Missing
        for one in repositories:
            for place in dict.fromkeys((f"src/contrib/{tail}", f"src/contrib/Archive/{name}/{name}_{version}.tar.gz")):
                with contextlib.suppress(Missing):
                    return one.source(place, name, sha256=sha256)
        raise Refused(f"{where}: {name} {version} is not in {', '.join(one.shown for one in repositories) or 'any repository, as R has none here'} any more")

    def write_lock(self):
        packages, there = self.chosen()
        lines = [f"{package.name} {package.version} installed" for package in there if package.name in self.reached(packages)]
        for package in packages:
            source = package.source
            address = "cran" if source.repository.machine else source.repository.shown
            lines.append(f"{package.name} {package.version} sha256:{content(source.path)} {address}/{source.place}")
        print(f"# R {self.machine.version}", *sorted(lines), sep="\n")

    def reached(self, packages):
        """What the job names and what is installed for it need, but for R's kernel, which is the machine's."""
        found = [package["text"].partition(" ")[0] for package in self.packages] + [needed for package in packages for needed, _, _ in package.needs()]
        for name in found:
            record = self.machine.installed.get(name, {})
            found += [needed for needed, _, _ in dcf.dependencies(record, ["Depends", "Imports"]) if needed not in found]
        return set(found)

    # ---- making

    def make(self):
        packages, there = self.chosen()
        names = {entry["text"].partition(" ")[0] for entry in self.packages}
        have = sorted(f"{package.name} {package.version}" for package in there if package.name in names)
        self.say(f"making the library of {', '.join(file['file'] for file in self.order['files'])}: {len(packages)} package{'' if len(packages) == 1 else 's'} to build"
                 + (f", locked by {self.order['lock']}" if self.lock else "") + (f"; installed already: {', '.join(have[:8])}{' …' if len(have) > 8 else ''}" if have else ""))
        os.makedirs(self.making)
        for name in ("library", "tmp"):
            os.mkdir(os.path.join(self.making, name))
        for number, package in enumerate(packages, 1):
            self.say(f"building {package.name} {package.version} ({number} of {len(packages)})")
            self.build(package)
        remove(os.path.join(self.making, "tmp"))
        self.trim_files()

    def compiler(self):
        """That R was told to use."""
        for folder in (os.path.join(self.machine.home, "etc"), "/etc/R"):
            with contextlib.suppress(OSError), open(os.path.join(folder, "Makeconf"), errors="replace") as file:
                match = re.search(r"^CC = *(\S+)", file.read(1 << 20), re.M)
                if match:
                    return match[1]
        return "cc"

    def build(self, package):
        what = f"{package.entry.shown if package.entry else 'the kernel of R'}: {package.name} {package.version}"
        if package.source.compiled and not (shutil.which(self.compiler()) and shutil.which("make")):
            raise Refused(f"{what} has to be compiled, and this machine has no {self.compiler()} and make (Debian: r-base-dev)")
        library, temp = os.path.join(self.making, "library"), os.path.join(self.making, "tmp")
        log = os.path.join(temp, "ama-build.log")
        with contextlib.suppress(OSError):
            os.unlink(log)
        how = Sandbox(self.making, LIBRARY_MAX).run({
            "argv": [*BUILD, self.machine.program, "CMD", "INSTALL", "--no-docs", "--no-multiarch", f"--library={library}", package.source.path],
            "env": [f"HOME={temp}", f"TMPDIR={temp}", f"R_LIBS={library}", "R_LIBS_USER=", f"AMA_BUILD_LOG={log}", "_R_CHECK_PACKAGE_NAME_=FALSE"],
            "cwd": temp, "read": [package.source.path, *self.machine.libraries], "write": [library, temp], "limit_ms": LIMIT_S * 1000})
        text = read_log(log)
        if how == "exit 0" and self.is_there(library, package):
            return
        check_build(how, what, text)
        raise Refused(f"{what} can not be installed: {self.reason(text) or how}")

    @staticmethod
    def is_there(library, package):
        """What lies there was written by the package's author: a link is not followed."""
        try:
            file = os.open(os.path.join(library, package.name, "DESCRIPTION"), os.O_RDONLY | os.O_NOFOLLOW)
            with open(file, encoding="utf-8", errors="replace") as text:
                return next(dcf.records(text.read(1 << 20), ("Version",)), {}).get("Version") == package.version
        except OSError:
            return False

    @staticmethod
    def reason(text):
        """The last lines that say it, without R's own farewell."""
        lines = [line.strip() for line in text.splitlines() if line.strip() and not re.match(r"\* (removing|restoring|DONE)|Execution halted|\*\* ", line.strip())]
        bad = [number for number, line in enumerate(lines) if re.search(r"\berror\b", line, re.I)]
        return plain(" ".join(lines[bad[0]:bad[0] + 6] if bad else lines[-4:]))

    # ---- afterwards

    def folders_in_use(self):
        return {os.path.dirname(item[len(b"R_LIBS="):].decode(errors="replace")) for words in processes("environ") for item in words if item.startswith(b"R_LIBS=")}

    def trim_files(self):
        """What was fetched and not asked for in as long a time."""
        keep = (self.order.get("keep_ms") or 0) / 1000
        for at, _, names in os.walk(os.path.join(self.cache, "files")) if keep else ():
            for name in names:
                with contextlib.suppress(OSError):
                    path = os.path.join(at, name)
                    if time.time() - os.stat(path).st_mtime > keep:
                        os.unlink(path)

    def lines(self):
        return ["env=R_LIBS=" + os.path.join(self.made, "library"), "read=" + self.made]


if __name__ == "__main__":
    sys.exit(main(Library, sys.argv[1:]))
