# Shared by the scripts of this folder; to be sourced with `here` set to it.

ama_java() {
    local java=${JAVA_HOME:+$JAVA_HOME/bin/}java
    command -v "$java" || { echo "no Java found: install a JRE 17 or later, or set JAVA_HOME" >&2; return 1; }
}

# The folder of Spark's jars.
ama_jar_folder() {
    local folder=${AMA_SPARK_JARS:-${SPARK_JARS:-${SPARK_HOME:+$SPARK_HOME/jars}}}
    [ -n "$folder" ] || { echo "SPARK_HOME is not set" >&2; return 1; }
    compgen -G "$folder/scala-compiler*.jar" >/dev/null || { echo "no Spark jars in $folder" >&2; return 1; }
    echo "$folder"
}

# Spark's class path, in an order that does not depend on the file system: a class-data archive holds for one class path only.
ama_jars() {
    local folder path
    folder=$(ama_jar_folder) || return 1
    printf -v path '%s:' "$folder"/*.jar
    echo "${path%:}"
}

# Spark's words for a size into the JVM's: a bare number is MB there, bytes here.
ama_memory() {
    if [[ $1 =~ ^([1-9][0-9]*)([kKmMgGtT]?)[bB]?$ ]]; then
        echo "${BASH_REMATCH[1]}${BASH_REMATCH[2]:-m}"
    else
        echo "driver memory '$1' is no size: 512m, 2g, or a number of MB" >&2
        return 1
    fi
}

# The master that the file of Spark properties names; nothing if there is none.
ama_master() {
    local conf=''
    [ -n "$1" ] && [ -r "$1" ] && conf=$(<"$1")
    [[ ! $conf =~ \"spark.master\"[[:space:]]*:[[:space:]]*\"([^\"]*) ]] || echo "${BASH_REMATCH[1]}"
}

# 2.13, as Spark's own jars say. Its launcher, which starts executors, else looks for the folders of a source tree.
ama_scala_version() {
    local jars=("$(ama_jar_folder)"/scala-library*.jar)
    [[ ! ${jars[0]} =~ scala-library-([0-9]+\.[0-9]+)\. ]] || echo "${BASH_REMATCH[1]}"
}

# The JVM's options, one a line. The packages are those that Spark's own launcher opens.
ama_java_options() {
    local package
    case $1 in
    quick) printf '%s\n' -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:NewSize=200m -XX:MetaspaceSize=256m -Xlog:gc+ergo=off ;;
    full) ;;
    *) echo "AMA_JIT is quick or full, not '$1'" >&2; return 1 ;;
    esac
    printf '%s\n' -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off -XX:-UsePerfData -XX:+IgnoreUnrecognizedVMOptions \
        -Djdk.reflect.useDirectMethodHandle=false -Dio.netty.tryReflectionSetAccessible=true -Dfile.encoding=UTF-8 \
        -Dlog4j2.disable.jmx=true "-Dlog4j2.configurationFile=file:$here/log4j2.properties${AMA_LOG4J2:+,file:$AMA_LOG4J2}" \
        "-Djava.io.tmpdir=${TMPDIR:-/tmp}" --add-modules=jdk.incubator.vector
    for package in java.base/java.{lang,lang.invoke,lang.reflect,io,net,nio,util,util.concurrent,util.concurrent.atomic} \
        java.base/jdk.internal.ref java.base/sun.{nio.ch,nio.cs,security.action,util.calendar} \
        java.security.jgss/sun.security.krb5; do
        echo "--add-opens=$package=ALL-UNNAMED"
    done
}
