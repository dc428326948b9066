#!/bin/bash
# A Python environment with what tests of kernels need: bash_kernel, which we do not ship, nbformat and nbclient as judges, JupyterLab as a user's.
# kernels.sh CACHE_DIR prints its folder; it is made once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${1:?usage: kernels.sh CACHE_DIR}
mkdir -p "$cache/tests"
env=$(cd "$cache/tests" && pwd)/kernels-$({ python3 -I -c 'import sys; print(sys.version, sys.base_prefix)'; cat "$here/requirements.txt"; } | sha256sum | cut -c1-16)
if [ ! -e "$env/.done" ]; then
    exec 9>"$cache/tests/.kernels-lock"
    flock 9
    if [ ! -e "$env/.done" ]; then
        rm -rf "$env"
        python3 -m venv "$env" >&2
        "$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$here/requirements.txt" >&2
        "$env/bin/python" -m bash_kernel.install --sys-prefix >&2
        touch "$env/.done"
    fi
fi
echo "$env"
