#!/usr/bin/env python3
"""Runs the tests of this folder: run.py [unittest arguments]. What they need is installed into the cache: AMA_CACHE, else where the
scripts keep it: AMA_DOWNLOADS, or .cache of the source folder."""
import fcntl
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("AMA_SOURCE_DIR") or os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("AMA_CACHE") or os.path.join(os.environ.get("AMA_DOWNLOADS") or os.path.join(SOURCE, ".cache"), "amaterasu")
CLIENT = "jupyter_client==8.10.0"


def client_python():
    """The Python of an environment that has jupyter_client."""
    folder = os.path.join(CACHE, "test-" + CLIENT.replace("==", "-"))
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, ".test-client.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = os.path.join(folder, "done")
        if not os.path.exists(done):
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([os.path.join(folder, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", CLIENT], check=True)
            with open(done, "w", encoding="utf-8"):
                pass
    return os.path.join(folder, "bin", "python")


def spark():
    """SPARK_HOME, AMA_KERNEL_JAR and AMA_CDS_ARCHIVE, as install.sh prints them."""
    script = os.path.join(SOURCE, "agent", "runners", "spark", "install.sh")
    printed = subprocess.run([script, CACHE], check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(line.split("=", 1) for line in printed.splitlines())


def main():
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **spark())
    arguments = sys.argv[1:] or ["discover", "-v", "-s", HERE, "-p", "*_test.py"]
    sys.exit(subprocess.run([client_python(), "-m", "unittest", *arguments], env=env, cwd=HERE).returncode)


if __name__ == "__main__":
    main()
