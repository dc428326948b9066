#!/bin/bash
# Starts the kernel: kernel.sh CONNECTION_FILE. It serves until a shutdown_request; its talk goes to standard error.
#
# SPARK_HOME or AMA_SPARK_JARS   where Spark's jars are (the jars' folder itself for the second)
# AMA_KERNEL_JAR                 what build.sh made
# AMA_DRIVER_MEMORY              the heap; Spark's words: 512m, 2g, a bare number is MB (default 1g)
# AMA_CDS_ARCHIVE                what archive.sh made; used if it is there
# AMA_EXTRA_CLASSPATH            after Spark's jars, for Hadoop's configuration and the like
# AMA_EXTRA_JARS                 after that, for executors too; : between them
# AMA_LOG4J2                     a configuration of log4j 2, laid over the kernel's own
# AMA_SPARK_CONF                 a file with a JSON object of Spark properties
# AMA_SPARK_SECRETS              stdin: another such object comes there
# AMA_JIT                        quick: for jobs of minutes; full: for hours. Default: quick if the master is local
# AMA_JVM_OPTS                   more options for the JVM
# AMA_RUN, AMA_ENV_JSON          run id and environment document of connections that do not bring their own
# AMA_KERNEL_LOG                 what it says goes to the end of this file
# JPY_PARENT_PID                 the kernel ends when this process does
set -eu
here=$(cd "$(dirname "$0")" && pwd)
connection=${1:?usage: kernel.sh CONNECTION_FILE}
exec {input}<&0 </dev/null                              # the kernel's alone
[ -z "${AMA_KERNEL_LOG:-}" ] || exec >>"$AMA_KERNEL_LOG" 2>&1
unset AMA_KERNEL_LOG
. "$here/common.sh"
: "${AMA_KERNEL_JAR:?is not set: see build.sh}"

memory=$(ama_memory "${AMA_DRIVER_MEMORY:-1g}")
java=$(ama_java)
jars=$(ama_jars)
case $(ama_master "${AMA_SPARK_CONF:-}") in
'' | local | 'local['*)
    jit=${AMA_JIT:-quick}                               # local masters are for small and short jobs
    export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}  # nobody else is to reach Spark's ports
    ;;
local-cluster*)
    jit=${AMA_JIT:-full}
    export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
    spark=${SPARK_HOME:-$(dirname "$(ama_jar_folder)")}
    # Executors have their files in SPARK_HOME/work, whatever SPARK_WORKER_DIR says: so that is a folder of the session's, with the real one's parts.
    SPARK_HOME=$(cd "$(dirname "$connection")" && pwd)/spark-home
    mkdir -p "$SPARK_HOME"
    for part in "$spark"/*; do
        [ "${part##*/}" = work ] || ln -sfn "$part" "$SPARK_HOME/"
    done
    export SPARK_SCALA_VERSION=${SPARK_SCALA_VERSION:-$(ama_scala_version)} SPARK_HOME
    ;;
*) jit=${AMA_JIT:-full} ;;
esac
mapfile -t options < <(ama_java_options "$jit")
[ ${#options[@]} -gt 0 ]                                # said what is wrong already
if [ -n "${AMA_CDS_ARCHIVE:-}" ] && [ -r "$AMA_CDS_ARCHIVE" ]; then
    options+=("-XX:SharedArchiveFile=$AMA_CDS_ARCHIVE")
fi

# shellcheck disable=SC2086  # AMA_JVM_OPTS is a list of words
exec "$java" "-Xmx$memory" "${options[@]}" ${AMA_JVM_OPTS:-} \
    -cp "$AMA_KERNEL_JAR:$jars${AMA_EXTRA_CLASSPATH:+:$AMA_EXTRA_CLASSPATH}${AMA_EXTRA_JARS:+:$AMA_EXTRA_JARS}" org.amaterasu.kernel.Main "$connection" <&"$input" {input}<&-
