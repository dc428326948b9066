#!/bin/bash
# Makes the Python environment of actions, once: install.sh [--check] CACHE_DIR. It is named by the digest of what it is made of.
#
# On standard output, one a line: exec=WORD for each word of the kernel's command, path=FOLDER for the front of its PATH, and read=PATH for what its sandbox
# is to open. On standard error: what it does. With --check nothing is made; what is missing is said, and the exit code is 1. Two at once do the work once.
#
#   CACHE_DIR/python/env-DIGEST/    a virtual environment: of requirements.txt here, and of the Python that made it
set -eu
here=$(cd "$(dirname "$0")" && pwd)
check=''
[ "${1:-}" != --check ] || { check=yes; shift; }
cache=${1:?usage: install.sh [--check] CACHE_DIR}
mkdir -p "$cache/python"
cache=$(cd "$cache/python" && pwd)

say() { echo "python: $*" >&2; }

python=${PYTHON:-python3}
# The interpreter itself, not what stands for it in PATH; and where its library is.
about='import sys, platform
print(sys.executable); print(sys.base_prefix); print(platform.python_implementation(), sys.version, platform.machine(), sys.base_prefix, sep="|")'
mapfile -t known < <("$python" -I -c "$about")
[ ${#known[@]} -ge 3 ] || { say "there is no $python"; exit 1; }
digest=$({ printf '%s\n' "${known[@]:2}"; cat "$here/requirements.txt"; } | sha256sum | cut -c1-16)
env=$cache/env-$digest

install_environment() {
    local temp begun=$SECONDS log=$cache/.install.log
    say "installing $(grep -c '^[^#]' "$here/requirements.txt") packages with what they need (about 20 MB to fetch)"
    rm -rf "$env"                       # one that was not finished: a virtual environment can not be moved
    "${known[0]}" -m venv "$env" >"$log" 2>&1 || { tail -n 5 "$log" >&2; say "$python can not make a virtual environment (Debian: python3-venv)"; return 1; }
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$here/requirements.txt" >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        say "the packages could not be installed"
        return 1
    }
    temp=$(mktemp "$env/.done-XXXXXX")
    mv "$temp" "$env/.done"
    rm -f "$log"
    say "installed in $((SECONDS - begun)) s, kept in $env"
}

if [ ! -e "$env/.done" ]; then
    [ -z "$check" ] || { echo "the Python environment ($env)"; exit 1; }
    exec 9>"$cache/.lock"
    flock -n 9 || { say "another installation is under way: waiting for it"; flock 9; }
    [ -e "$env/.done" ] || install_environment
fi
[ -z "$check" ] || exit 0
printf '%s\n' "exec=$env/bin/python" exec=-Xfrozen_modules=off exec=-B "exec=$here/main.py" "path=$env/bin" "read=$env" "read=${known[1]}"
