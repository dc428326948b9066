"""The include rules of docs/architecture.md: lower layers never include higher ones, actors never include one another, and each foreign
library is included in one place. Prints file:line: reason; exit 1 if there is any."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
LAYERS = {  # folder: (layer, folders of the same layer it may include)
    "actors/base": 0,
    "messages": 1,
    "config": 1,
    "actors/runtime": 2,
    "actors/depot": 2.5,  # also the share of it that fetcher, planner, resolver and agent have
    "actors/fetcher": 3,
    "actors/planner": 3,
    "actors/resolver": 3,
    "actors/broker": 3,
    "actors/supervisor": 3,
    "actors/reporter": 3,
    "agent": 3,
    "client": 5,
    "master": 4,
    "bench": 6,
    "tests": 6,
}
ONLY_IN = {  # header: paths that may include it
    "zmq.h": ["actors/runtime/", "tests/", "bench/"],
    "czmq.h": ["actors/runtime/", "tests/", "bench/"],
    "sqlite3.h": ["actors/supervisor/journal", "tests/", "bench/"],
    "git2.h": ["actors/fetcher/fetch_helper", "actors/fetcher/helper", "tests/unit/fetcher/bad_"],
    "yaml.h": ["config/ama_doc"],
    "curl/curl.h": [],
    "microhttpd.h": ["master/web"],
    "msgpack.h": ["messages/", "tests/"],
    "zlib.h": ["actors/reporter/report_line"],
}
RUNTIME_FREE = re.compile(r"_core\.[ch]$")  # pure: no runtime, no I/O headers
IO_HEADERS = {"fcntl.h", "unistd.h", "sys/socket.h", "time.h", "poll.h", "spawn.h", "sys/wait.h"}


def folder_of(path):
    best = ""
    for folder in LAYERS:
        if (path + "/").startswith(folder + "/") and len(folder) > len(best):
            best = folder
    return best


def problems():
    files = [p for f in LAYERS for ext in ("*.c", "*.h") for p in (ROOT / f).rglob(ext)]
    for path in sorted(set(files)):
        name = path.relative_to(ROOT).as_posix()
        mine = folder_of(name)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            if not found:
                continue
            header = found.group(1)
            where = f"{name}:{number}:"
            if header in ONLY_IN and not any(name.startswith(p) for p in ONLY_IN[header]):
                yield f"{where} {header} may be included only in {', '.join(ONLY_IN[header]) or 'no place yet'}"
            if RUNTIME_FREE.search(name) and (header in IO_HEADERS or header.startswith("actors/runtime/")) and not name.startswith("tests/"):
                if header != "actors/runtime/ama_actor.h":
                    yield f"{where} a core is pure and may not include {header}"
            theirs = folder_of(header)
            if not theirs or theirs == mine or mine in ("tests", "bench"):
                continue
            if LAYERS[theirs] > LAYERS[mine]:
                yield f"{where} {mine} (layer {LAYERS[mine]}) may not include {header} (layer {LAYERS[theirs]})"
            elif LAYERS[theirs] == LAYERS[mine] == 3:
                yield f"{where} actors know one another's messages only: {header}"


found = list(problems())
print("\n".join(found))
sys.exit(1 if found else 0)
