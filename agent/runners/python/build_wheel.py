"""In the sandbox, by a Python that has what the build needs: the wheel of a source archive (PEP 517). build_wheel.py ARCHIVE FOLDER WHEELS WANTED

The archive is unpacked into FOLDER, and its wheel comes into WHEELS. If its backend needs more than its pyproject.toml names, that is written to WANTED, as JSON, and the exit code is 7; with an empty WANTED it is not asked.
"""
import importlib
import json
import os
import sys
import tarfile
import tomllib


def backend_of(system):
    sys.path[:0] = [os.path.abspath(path) for path in system.get("backend-path", [])]
    module, _, inner = system.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
    found = importlib.import_module(module)
    for part in filter(None, inner.split(".")):
        found = getattr(found, part)
    return found


def main(archive, folder, wheels, wanted):
    os.mkdir(folder)
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    [top] = os.listdir(folder)
    os.chdir(os.path.join(folder, top))
    sys.argv[:] = ["setup.py"]
    try:
        with open("pyproject.toml", "rb") as file:
            system = tomllib.load(file).get("build-system", {})
    except FileNotFoundError:
        system = {}
    backend = backend_of(system)
    if wanted and hasattr(backend, "get_requires_for_build_wheel"):
        more = backend.get_requires_for_build_wheel()
        if more:
            with open(wanted, "w") as file:
                json.dump(list(more), file)
            return 7
    backend.build_wheel(wheels)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
