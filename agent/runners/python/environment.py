"""Makes the Python environment of an action, once: environment.py [--check] CACHE_DIR [-]. Run by install.sh.

With - its packages come as JSON on standard input (the agent's kernel_packages.c); without there are none but the kernel's own. On standard output, one a line: exec=WORD for
each word of the kernel's command, path=FOLDER for the front of its PATH, read=PATH for what its sandbox is to open; or refused=TEXT: there can be no such environment,
and trying again will not help. On standard error: what it does. With --check nothing is made; what is missing is said, and the exit code is 1.
With --lock nothing is made; what the packages come to is said, as a requirements.txt with digests. Exit code 3: they can not be had together.

  CACHE_DIR/python/tools-DIGEST/   uv, and the wheels of what the kernel itself needs
  CACHE_DIR/python/env-DIGEST/     an environment, named by all that it is made of; appears whole. .used: when it was asked for last
  CACHE_DIR/python/uv-cache/       uv's own: what was fetched once

Nothing of a package runs here, outside any sandbox: wheels are unpacked, and no Python is started within a finished environment. What the job names with --no-binary is built from source, in the sandbox (sources.py).
"""
import contextlib
import fcntl
import glob
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path += [os.path.dirname(HERE), HERE]
from making import LINE, Maker, Refused, Trouble, content, digest_of, inside, main, plain, processes, remove  # noqa: E402
from names import canonical  # noqa: E402

UV = "0.13.9"
SCHEME = "1"            # of what lies in an environment
SPARKS_OWN = "pyspark\npy4j\n"
DEFAULT_INDEX = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
PATIENCE = 1800         # seconds, of one call of uv or pip
UNREACHABLE = re.compile(r"error sending request|failed to fetch|dns error|connection (refused|reset|closed)|timed out|connect error|request failed|status code 5\d\d|network"
                         r"|connectivity is disabled", re.I)


class Environment(Maker):
    language, kind, title = "python", "env-", "Python environment"

    def __init__(self, cache, order):
        super().__init__(cache, order)
        self.known = None
        self.python = os.path.realpath(sys.executable)
        self.identity = f"{sys.implementation.name}|{sys.version}|{os.uname().machine}|{sys.base_prefix}"
        with open(os.path.join(HERE, "requirements.txt")) as file:
            self.own = file.read()
        self.tools = os.path.join(self.cache, "tools-" + digest_of(UV, self.own, self.identity))
        self.uv = os.path.join(self.tools, "bin/uv")
        self.options, self.links = self._options()
        self.built = self._built()
        self.excludes = SPARKS_OWN if self._without_spark() else ""
        self.name_it(*self._parts())

    # ---- what it is made of

    def _options(self):
        options, links = [], []
        for file in self.order.get("files", []):
            for option in file["options"]:
                word, _, value = option.partition(" ")
                if word == "--find-links" and "://" not in value:
                    folder = inside(self.snapshot, value)
                    if not os.path.isdir(folder):
                        raise Refused(f"{file['file']}: there is no folder {value}")
                    for name in os.listdir(folder):
                        inside(self.snapshot, os.path.join(value, name))        # a link leads nowhere else
                    links.append((value, folder))
                elif option not in options:
                    options.append(option)
        return options, links

    def _built(self):
        """The packages that are to be built from source."""
        names = {canonical(option.partition(" ")[2]) for option in self.options if option.startswith("--no-binary ")}
        found = [package for package in self.packages if not package["constraint"] and canonical(package["text"]) in names]
        lost = names - {canonical(package["text"]) for package in found}
        if lost:
            raise Refused(f"{', '.join(sorted(lost))}: named by --no-binary, and by no requirement: what is built from source is NAME==VERSION there")
        return found

    def _without_spark(self):
        """The session brings Spark's own packages. An action without one gets them only if it names them itself."""
        names = {canonical(package["text"]) for package in self.packages}
        return bool(self.order.get("session")) or not names & {"pyspark", "py4j"}

    def _parts(self):
        parts = [SCHEME, self.identity, self.own, self.tools]
        if self.packages:
            parts += [self.excludes, *self.options]
            if self.lock:
                parts += ["lock", content(self.lock)]
            else:
                parts += sorted(("-c " if package["constraint"] else "") + package["text"] for package in self.packages)
            kinds = (".whl", ".tar.gz") if self.built else (".whl",)
            for name, folder in self.links:
                parts += [name, *(f"{file} {content(os.path.join(folder, file))}" for file in sorted(os.listdir(folder)) if file.endswith(kinds))]
        return parts

    # ---- tools

    def run(self, words, **more):
        import subprocess       # here: what is made already does not wait for it
        try:
            return subprocess.run(words, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=PATIENCE, cwd=self.cache, **more)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{os.path.basename(words[0])} was not done in {PATIENCE} s") from None

    def make_tools(self):
        if os.path.exists(os.path.join(self.tools, ".done")):
            return
        with self.alone(os.path.join(self.cache, ".lock-tools")):
            if os.path.exists(os.path.join(self.tools, ".done")):
                return
            begun = time.monotonic()
            self.say("installing uv and what the kernel itself needs (about 45 MB to fetch)")
            remove(self.tools)       # one that was not finished: a virtual environment of venv can not be moved
            made = self.run([self.python, "-m", "venv", self.tools])
            if made.returncode:
                raise Trouble(f"{self.python} can not make a virtual environment (Debian: python3-venv): {plain(made.stderr or made.stdout)}")
            pip = [os.path.join(self.tools, "bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
            for what in (["install", f"uv=={UV}"],
                         ["download", "--only-binary", ":all:", "-d", os.path.join(self.tools, "wheels"), "-r", os.path.join(HERE, "requirements.txt")]):
                made = self.run([*pip[:3], what[0], *pip[3:], *what[1:]])
                if made.returncode:
                    raise Trouble(f"uv and the kernel's packages could not be fetched: {plain(made.stderr[-LINE:])}")
            with open(os.path.join(self.tools, ".done"), "w"):
                pass
            self.say(f"installed in {time.monotonic() - begun:.0f} s, kept in {self.tools}")

    def surroundings(self):
        """uv's environment: this machine's own, and what pip was told of indexes where uv was told nothing. Passwords stay here, in no command line."""
        if self.known:
            return self.known
        env = {**os.environ, "UV_CACHE_DIR": os.path.join(self.cache, "uv-cache"), "UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never",
               "UV_LINK_MODE": "hardlink", "UV_HTTP_RETRIES": os.environ.get("UV_HTTP_RETRIES", "2")}
        told = self.run([os.path.join(self.tools, "bin/python"), "-m", "pip", "config", "list"]).stdout
        known = {name: value for name, value in re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", told, re.M)}
        for ours, its in (("UV_DEFAULT_INDEX", "index-url"), ("UV_INDEX", "extra-index-url"), ("UV_FIND_LINKS", "find-links"), ("SSL_CERT_FILE", "cert"),
                          ("UV_INSECURE_HOST", "trusted-host")):
            if its in known and ours not in env and not (ours == "UV_DEFAULT_INDEX" and "UV_INDEX_URL" in env):
                env[ours] = " ".join(known[its].replace("\\n", " ").split()).replace(" ", "," if ours == "UV_FIND_LINKS" else " ")
        # the job's own come first: the first that has a package is the one
        named = [option.partition(" ")[2] for option in self.options if option.startswith("--index-url ")]
        if named:
            env.pop("UV_INDEX_URL", None)
            env["UV_DEFAULT_INDEX"] = named[-1]
        extra = [option.partition(" ")[2] for option in self.options if option.startswith("--extra-index-url ")]
        if extra:
            env["UV_INDEX"] = " ".join([*extra, *env.get("UV_INDEX", "").split()])
        self.known = env
        return env

    # ---- making

    def head(self):
        """What the job says of where packages are, as lines for uv."""
        ours = ("--pre", "--index-url", "--extra-index-url", "--no-binary")
        return [*(option for option in self.options if not option.startswith(ours)), *(f"--find-links {folder}" for _, folder in self.links)]

    def pages(self, name):
        """The pages that may name files of a package; each with: is it an index's own of that package."""
        env = self.surroundings()
        for option in self.options:
            if option.startswith("--find-links ") and "://" in option:
                yield option.partition(" ")[2], False
        if "--no-index" not in self.options:
            default = env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL") or self.run([os.path.join(self.tools, "bin/python"), "-c", DEFAULT_INDEX]).stdout.strip()
            for index in [*env.get("UV_INDEX", "").split(), default]:
                yield re.sub(r"^[A-Za-z0-9._-]+=(?=[a-z]+://)", "", index).rstrip("/") + f"/{name}/", True

    def built_from_source(self, hashes):
        """Lines for uv, and how each stands in a lock. hashes: of a lock, by name."""
        from sources import Source
        lines, locked, found = [], {}, {}
        for package in self.built:
            source = Source(self, package)
            before = found.setdefault(source.key, source)
            if before.version != source.version:
                raise Refused(f"{before.where}; {source.where}: two versions of what is built from source")
            if before is not source:
                continue
            source.hashes = hashes.get(source.key, source.hashes)
            lines.append(source.requirement(source.described() if self.locking else source.build()))
            locked[lines[-1]] = f"{source.name}{source.extras}=={source.version} \\\n    --hash=sha256:{source.sha256}\n"
        return lines, locked

    def make_build_environment(self, path, wanted, where):
        """With these requirements, from wheels alone, for one build."""
        remove(path)
        made = self.run([self.uv, "venv", "--quiet", "--python", self.python, path], env=self.surroundings())
        if made.returncode:
            raise Trouble(f"no environment could be made: {plain(made.stderr)}")
        words = ["-r", self.write("ama-build.txt", "\n".join([*self.head(), *wanted]) + "\n"), "--no-build", "--find-links", os.path.join(self.tools, "wheels")]
        self.pip(["--python", os.path.join(path, "bin/python"), *words], lambda said: f"{where}: what it needs to be built is not to be had: {plain(said)}")

    def of_lock(self):
        """Its text without what is built from source, and the digests of that."""
        with open(self.lock, encoding="utf-8", errors="replace") as file:
            entries = re.findall(r"(?:.*\\\n)*.*\n?", file.read())
        names = {canonical(package["text"]) for package in self.built}
        hashes = {canonical(entry): re.findall(r"--hash=sha256:([0-9a-f]{64})", entry) for entry in entries if canonical(entry) in names}
        if names - hashes.keys():
            raise Refused(f"{self.order['lock']}: {', '.join(sorted(names - hashes.keys()))} is not in it (ama deps lock)")
        return "".join(entry for entry in entries if canonical(entry) not in names), hashes

    def inputs(self):
        """uv's words for what is wanted, and what of it stands otherwise in a lock."""
        lock, hashes = self.of_lock() if self.lock and not self.locking else ("", {})
        built, locked = self.built_from_source(hashes)
        plain_ones = [p["text"] for p in self.packages if not p["constraint"] and p not in self.built]
        constraints = [p["text"] for p in self.packages if p["constraint"]]
        wanted = "\n".join([*self.head(), *([] if self.lock else plain_ones), *built]) + "\n"
        words = ["-c" if self.locking else "-r", self.write("ama-own.txt", self.own), *(() if self.locking else ("-r",)), self.write("ama-wanted.txt", wanted),
                 "--no-build", "--find-links", os.path.join(self.tools, "wheels")]
        if self.lock:
            words += ["-r", self.write("ama-lock.txt", lock)]
        elif constraints:
            words += ["-c", self.write("ama-constraints.txt", "\n".join(constraints) + "\n")]
        if self.excludes:
            words += ["--excludes", self.write("ama-excludes.txt", self.excludes)]
        return words + (["--prerelease", "allow"] if "--pre" in self.options else []), locked

    def explain(self, said):
        """The resolver's reason in one line, after the entries that it is about."""
        lines = [re.sub(r"^\s*(error|cause):\s*", "", line).strip() for line in said.splitlines() if not line.startswith("Using Python")]
        lines = [line for line in lines if line and line != "No solution found when resolving dependencies"]
        reason = plain(" ".join(lines))
        reason = reason.replace(self.snapshot + "/", "") if self.snapshot else reason
        named = {canonical(word) for word in re.findall(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", reason)}
        entries = [f"{package['file']}:{package['line']}: {package['text'].split(' --hash')[0]}" for package in self.packages if canonical(package["text"]) in named]
        if "Wheels are required" in reason:
            reason += " (what is to be built from source is named by --no-binary, with its version; or build a wheel, and name its folder with --find-links)"
        where = "; ".join(entries[:4])
        if not where and self.packages:
            where = self.order.get("lock") or ", ".join(dict.fromkeys(package["file"] for package in self.packages))
        return f"{where}: {reason}" if where else reason

    def pip(self, words, explain):
        env = self.surroundings()
        words = [self.uv, "pip", "install", "--quiet", *words]
        done = self.run(words, env=env)
        if not done.returncode:
            return
        if not UNREACHABLE.search(done.stderr):
            raise Refused(explain(done.stderr))
        self.say("an index of packages can not be reached: trying with what was fetched before")
        if self.run([*words, "--offline"], env=env).returncode:
            raise Trouble(explain(done.stderr))

    def install(self):
        words, _ = self.inputs()
        self.pip(["--python", os.path.join(self.making, "bin/python"), *words], self.explain)
        remove(os.path.join(self.making, "ama-built"))

    def compile(self):
        """By the Python outside, which starts nothing of what was installed. What the bare environment has, which is made of the same files, is not compiled again."""
        bare = Environment(os.path.dirname(self.cache), {}).made
        for folder, _, names in os.walk(bare) if self.packages else ():
            if os.path.basename(folder) != "__pycache__":
                continue
            there = os.path.join(self.making, os.path.relpath(folder, bare))
            for name in names:
                source = name.partition(".")[0] + ".py"
                with contextlib.suppress(OSError):
                    if os.path.samefile(os.path.join(folder, "..", source), os.path.join(os.path.dirname(there), source)):
                        os.makedirs(there, exist_ok=True)
                        os.link(os.path.join(folder, name), os.path.join(there, name))
        self.run([self.python, "-I", "-S", "-m", "compileall", "-q", "-j", "2", os.path.join(self.making, "lib")])

    def write_lock(self):
        """What the packages come to, on every platform, to standard output; and without what the kernel itself needs, which is of this release."""
        os.makedirs(self.cache, exist_ok=True)
        self.make_tools()
        self.making = os.path.join(self.cache, f".locking-{os.getpid()}")
        remove(self.making)
        os.mkdir(self.making)
        try:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            words, locked = self.inputs()
            done = self.run([self.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--universal", "--generate-hashes", "--python", self.python,
                             "--python-version", version, *words], env=self.surroundings())
        finally:
            remove(self.making)
        if done.returncode:
            raise (Trouble if UNREACHABLE.search(done.stderr) else Refused)(self.explain(done.stderr))
        text = done.stdout
        for line, entry in locked.items():
            text = re.sub(re.escape(line) + r"(?: \\\n    --hash=\S+)*\n", lambda _, entry=entry: entry, text)
        sys.stdout.write(text)

    def prepare(self):
        self.make_tools()
        if self.packages:
            Environment(os.path.dirname(self.cache), {}).ensure()

    def make(self):
        if self.packages:
            wanted = [package for package in self.packages if not package["constraint"]]
            self.say(f"making the environment with {len(wanted)} package{'' if len(wanted) == 1 else 's'} from {', '.join(f['file'] for f in self.order['files'])}"
                     + (f", locked by {self.order['lock']}" if self.lock else ""))
        made = self.run([self.uv, "venv", "--quiet", "--relocatable", "--python", self.python, self.making], env=self.surroundings())
        if made.returncode:
            raise Trouble(f"no environment could be made: {plain(made.stderr)}")
        self.install()
        self.compile()
        self.write(".done", "")

    def trim(self):
        """Also what uv has unpacked so long ago, if no environment that is kept has it: files of those are links to it. uv fetches again what it misses."""
        super().trim()
        keep = (self.order.get("keep_ms") or 0) / 1000
        root = os.path.join(self.cache, "uv-cache")
        with contextlib.suppress(OSError), open(os.path.join(root, ".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)     # as uv itself takes it, which may be at work for another action
            for archive in glob.glob(os.path.join(root, "archive-v*/*")) if keep else ():
                with contextlib.suppress(OSError):
                    kept = any(os.stat(about).st_nlink > 1 for about in glob.glob(os.path.join(glob.escape(archive), "*.dist-info/METADATA")))
                    if not kept and time.time() - os.stat(archive).st_mtime > keep:
                        os.rename(archive, os.path.join(root, ".gone-" + os.path.basename(archive)))
            for gone in glob.glob(os.path.join(root, ".gone-*")):
                remove(gone)

    def folders_in_use(self):
        return {os.path.dirname(os.path.dirname(words[0].decode(errors="replace"))) for words in processes("cmdline")}

    def lines(self):
        return ["exec=" + os.path.join(self.made, "bin/python"), "exec=-Xfrozen_modules=off", "exec=-B", "exec=" + os.path.join(HERE, "main.py"),
                "path=" + os.path.join(self.made, "bin"), "read=" + self.made, "read=" + sys.base_prefix]


if __name__ == "__main__":
    sys.exit(main(Environment, sys.argv[1:]))
