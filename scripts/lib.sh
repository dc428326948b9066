# lib.sh - what the scripts share; sourced, never run. Sets `root` and the one ignored folder for all that is downloaded or built once.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export XDG_CACHE_HOME=${AMA_DOWNLOADS:-$root/.cache}
export MAVEN_OPTS="${MAVEN_OPTS:-} -Dmaven.repo.local=$XDG_CACHE_HOME/maven"
mkdir -p "$XDG_CACHE_HOME"

say() { printf '%s\n' "-- $*" >&2; }

# Installs the Debian packages of scripts/packages.txt that are missing.
install_packages() {
    local missing=() name
    while read -r name _; do
        case $name in '' | '#'*) continue ;; esac
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
    done <"$root/scripts/packages.txt"
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    say "installing ${#missing[@]} Debian packages: ${missing[*]}"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    "${as_root[@]}" apt-get update -q >"$XDG_CACHE_HOME/apt.log" 2>&1 || { cat "$XDG_CACHE_HOME/apt.log" >&2; exit 5; }
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" \
        >>"$XDG_CACHE_HOME/apt.log" 2>&1 || { tail -n 40 "$XDG_CACHE_HOME/apt.log" >&2; exit 5; }
}

# Fetches once what the planner's syntax trees are compiled from.
install_grammars() {
    "$root/actors/planner/grammars/install.sh" "$XDG_CACHE_HOME/amaterasu" >/dev/null || { say "the planner's grammars could not be fetched"; exit 5; }
}

# build PRESET [TARGET...]: configures and builds, quietly when all is well.
build() {
    local preset=$1 log="$XDG_CACHE_HOME/build-$1.log"
    shift
    install_grammars
    export AMA_DOWNLOADS=$XDG_CACHE_HOME
    say "building preset $preset"
    (cd "$root" && cmake --preset "$preset" && cmake --build --preset "$preset" ${1:+--target "$@"}) >"$log" 2>&1 || {
        tail -n 60 "$log" >&2
        exit 1
    }
}

# Installs Spark, the kernel and the class archive once; exports SPARK_HOME and friends for what is started after.
install_spark() {
    local line
    while IFS= read -r line; do export "${line?}"; done < <("$root/agent/runners/spark/install.sh" "$XDG_CACHE_HOME/amaterasu")
    [ -n "${SPARK_HOME:-}" ] || { say "Spark could not be installed"; exit 5; }
}

# Kernels that tests need and nobody here ships.
install_test_kernels() {
    "$root/tests/tools/kernels.sh" "$XDG_CACHE_HOME/amaterasu" >/dev/null || { say "the kernels of the tests could not be installed"; exit 5; }
}

# An S3 server and the jars of HDFS, for tests of roots that are no folders.
install_test_storage() {
    "$root/tests/tools/storage.sh" "$XDG_CACHE_HOME/amaterasu" >/dev/null || { say "the storage of the tests could not be installed"; exit 5; }
}

# Makes the Python environment of actions once, as an agent does when it first needs it.
install_python() {
    "$root/agent/runners/python/install.sh" "$XDG_CACHE_HOME/amaterasu" >/dev/null || { say "the Python environment could not be made"; exit 5; }
}
