#!/bin/bash
# Runs a program by spark-submit: submit.sh [OPTIONS] JAR [ARGUMENTS], as spark-submit has them.
#
# SPARK_HOME     where Spark is
# descriptor 5   a file with Spark properties; it may hold secrets, so it is in no folder and on no command line
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
: "${SPARK_HOME:?is not set}"

master=''
while IFS= read -r line; do
    [[ $line != spark.master=* ]] || master=${line#*=}     # the last one counts
done </proc/self/fd/5
jit=full
case $master in                             # as in the session
local | 'local['*) jit=quick ;&
local-cluster*) export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1} ;;
esac
mapfile -t options < <(ama_java_options "$jit")
[ ${#options[@]} -gt 0 ]
SPARK_SUBMIT_OPTS=$(printf "'%s' " "${options[@]}")
SPARK_SCALA_VERSION=${SPARK_SCALA_VERSION:-$(ama_scala_version)}    # else its launcher looks for the folders of a source tree
export SPARK_SUBMIT_OPTS SPARK_SCALA_VERSION
exec "$SPARK_HOME/bin/spark-submit" --properties-file /proc/self/fd/5 "$@" </dev/null
