#!/usr/bin/env bash
# usage: SPARK_HOME=… bare-repl.sh FILE: feeds the lines of FILE to a Scala REPL without Spark session, kernel or agent
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
java -XX:TieredStopAtLevel=1 -cp "$SPARK_HOME/jars/*" scala.tools.nsc.Main -usejavacp -nowarn -d "$out" "$here/BareRepl.scala"
java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx1g -cp "$out:$SPARK_HOME/jars/*" BareRepl "$1"
