#!/bin/bash
# Builds the kernel: build.sh OUT.jar, with the Scala compiler that lies among Spark's own jars (SPARK_JARS, else SPARK_HOME/jars).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh OUT.jar}
. "$here/common.sh"
java=$(ama_java)
jars=$(ama_jars)

mkdir -p "$(dirname "$out")"
temp=$(mktemp "$(dirname "$out")/.build-XXXXXX.jar")
trap 'rm -f "$temp"' EXIT
rm -f "$temp"           # the compiler wants to make it itself
"$java" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss8m -cp "$jars" \
    scala.tools.nsc.Main -usejavacp -Ydelambdafy:inline -deprecation -feature -Xlint:_,-byname-implicit -Werror -d "$temp" "$here"/src/*.scala
mv "$temp" "$out"
