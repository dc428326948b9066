#!/bin/bash
# Makes the class-data archive: archive.sh OUT.jsa. With it a session is ready in less than half the time. It holds for one kernel jar,
# one folder of Spark jars and one Java; under others the JVM ignores it, silently. Environment as for kernel.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: archive.sh OUT.jsa}
. "$here/common.sh"
: "${AMA_KERNEL_JAR:?is not set: see build.sh}"
java=$(ama_java)
jars=$(ama_jars)

mkdir -p "$(dirname "$out")"
work=$(mktemp -d)
temp=$(mktemp "$(dirname "$out")/.archive-XXXXXX")
trap 'rm -rf "$work" "$temp"' EXIT
rm -f "$temp"
export TMPDIR=$work
mkdir -m 700 "$work/warm-up"
mapfile -t options < <(ama_java_options quick)
"$java" -Xmx1g "${options[@]}" "-XX:ArchiveClassesAtExit=$temp" -cp "$AMA_KERNEL_JAR:$jars" \
    org.amaterasu.kernel.WarmUp "$work/warm-up" "$here"/warm-up/{first,next}.scala >&2
[ -e "$work/warm-up/done" ] && [ -s "$temp" ] || { echo "the warm-up did not end well" >&2; exit 1; }
mv "$temp" "$out"
