# common.sh - what build.sh and resolve.sh share; sourced, never run. Sets `here`, `java`, and functions. No output of its own.
set -euo pipefail
export LC_ALL=C.UTF-8 # else java can not name files outside ASCII
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
unset COURSIER_MODE COURSIER_CACHE # the request says it

# The library, pinned. Newer versions (seen up to 1.0.29-M1) download jars into another cache than the one they are given.
coursier_version=1.0.22
coursier_sha256=4d6bd057a6b9250d1a0bbcf09195613948d522f74573cb4ced258b4f7c83453e
coursier_jar=interface-$coursier_version.jar

# One answer line for the actor (see README.md), then the end.
fail() { # CLASS TEXT
    local text=${2//\\/\\\\}
    text=${text//$'\t'/ }
    text=${text//$'\n'/; }
    printf 'failed\t%s\t%s\n' "$1" "${text:0:900}"
    exit 1
}

say() { printf 'note\t%s\n' "$1"; }

find_java() {
    if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; then
        java=$JAVA_HOME/bin/java
    else
        java=$(command -v java) || fail setup "no java was found on PATH: dependencies need a JDK 17 or later (JAVA_HOME)"
    fi
}

# What is built depends on these bytes only, so its folder is named by them.
build_name() {
    cat "$here/build.sh" "$here/common.sh" "$here"/java/*.java | sha256sum | cut -c1-32
}

# A class archive fits one java only.
archive_name() { printf 'classes-%s.jsa' "$(stat -Lc '%s-%Y' "$java")"; }

java_flags=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xms32m -Xmx512m -Xlog:disable -Xlog:all=off -Djava.awt.headless=true
    -Dfile.encoding=UTF-8 -Dsun.net.client.defaultConnectTimeout=10000 -Dsun.net.client.defaultReadTimeout=30000)
