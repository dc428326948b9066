#!/bin/bash
# Makes what kernel.sh needs, once: install.sh [--check] CACHE_DIR. If SPARK_HOME is not set, Spark is installed from the PySpark package.
#
# On standard output: SPARK_HOME=…, AMA_KERNEL_JAR=…, AMA_CDS_ARCHIVE=…, AMA_HADOOP_AWS=…, one a line. The archive is without a value if it could not
# be made: everything works without it, but starts slower. The last is the version of hadoop-aws that goes with this Spark, without a value if Spark has it. On standard error: what it does. With --check nothing is made; what is
# missing is said, and the exit code is 1. Two at once do the work once: the second waits.
#
#   CACHE_DIR/spark/pyspark-VERSION/           the package
#   CACHE_DIR/spark/kernel-DIGEST.jar          of the sources here and of Spark's jars
#   CACHE_DIR/spark/kernel-DIGEST-DIGEST.jsa   the class archive; also of the paths and of the Java
set -eu
here=$(cd "$(dirname "$0")" && pwd)
check=''
[ "${1:-}" != --check ] || { check=yes; shift; }
cache=${1:?usage: install.sh [--check] CACHE_DIR}
. "$here/common.sh"

version=${AMA_PYSPARK_VERSION:-4.3.0}
keep_days=14
mkdir -p "$cache/spark"
cache=$(cd "$cache/spark" && pwd)
package=$cache/pyspark-$version
spark=${SPARK_HOME:-$package/pyspark}

say() { echo "spark: $*" >&2; }

# The digest of what standard input says: enough of it for a file name.
digest() { sha256sum | cut -c1-16; }

# Spark's jars by name, size and time: reading half a gigabyte would take seconds.
jars_listed() { stat -L -c '%n %s %Y' "$spark"/jars/*.jar; }

name_results() {
    local java release=''
    java=$(readlink -f "$(ama_java)")
    [ ! -r "${java%/bin/java}/release" ] || release=$(<"${java%/bin/java}/release")
    jar=$cache/kernel-$( { cat "$here"/src/*.scala "$here/build.sh"; jars_listed; } | digest).jar
    archive=${jar%.jar}-$( { echo "$spark $jar $java $release"; cat "$here/archive.sh" "$here/common.sh" "$here"/warm-up/*; } | digest).jsa
}

missing() {
    [ -d "$spark/jars" ] || { echo "Spark $version (about 460 MB to fetch, 520 MB on disk, in $package)"; return; }
    name_results
    [ -e "$jar" ] || echo "the kernel ($jar)"
    [ -e "$archive" ] || [ -e "$archive.failed" ] || echo "the class archive ($archive)"
    compiled || echo "the bytecode of PySpark ($package)"
}

install_spark() {
    local temp pip python=${PYTHON:-python3} begun=$SECONDS
    [ -z "${SPARK_HOME:-}" ] || { say "SPARK_HOME=$SPARK_HOME has no folder jars"; return 1; }
    "$python" -m pip --version >/dev/null 2>&1 || { say "$python has no pip, which is to install PySpark $version; or set SPARK_HOME"; return 1; }
    temp=$(mktemp -d "$cache/.pyspark-XXXXXX")
    # shellcheck disable=SC2064  # the folder's name of now
    trap "rm -rf '$temp'" EXIT
    say "installing PySpark $version, about 460 MB to fetch"
    TMPDIR=$temp "$python" -m pip install --quiet --disable-pip-version-check --no-input --no-compile --no-cache-dir --root-user-action=ignore \
        --target "$temp/package" "pyspark==$version" >&2 &
    pip=$!
    while ! timeout 5 tail --pid=$pip -f /dev/null; do
        say "  $(du -sm "$temp" 2>/dev/null | cut -f1) MB on disk after $((SECONDS - begun)) s"
    done
    wait $pip || { say "PySpark $version could not be installed"; return 1; }
    mv "$temp/package" "$package"
    rm -rf "$temp"
    trap - EXIT
    say "PySpark $version installed in $((SECONDS - begun)) s, kept in $package"
}

# What a Python action imports of Spark, as bytecode: else each of them compiles it anew, for nobody may write there any more. Another Python than this one
# finds none for it, and is slower. Only in a package of ours; without it everything works.
compiled() { [ "$spark" != "$package/pyspark" ] || [ -e "$spark/sql/__pycache__" ]; }

compile_python() {
    say "compiling what Python actions import of Spark"
    "${PYTHON:-python3}" -m compileall -q -x '/(tests|testing|pandas|ml|mllib)/' "$spark"/*.py \
        "$spark"/{core,resource,logger,errors,streaming,cloudpickle,sql} "$package/py4j" >&2 || say "some of it could not be compiled"
}

build_jar() {
    local begun=$SECONDS
    say "building the kernel"
    SPARK_HOME=$spark "$here/build.sh" "$jar" >&2
    say "kernel built in $((SECONDS - begun)) s"
}

# Without it everything works; so its failure is told, remembered, and no failure.
make_archive() {
    local begun=$SECONDS log=$cache/.archive.log
    say "writing the class archive (about 200 MB; makes every later start faster)"
    if SPARK_HOME=$spark AMA_KERNEL_JAR=$jar "$here/archive.sh" "$archive" 2>"$log"; then
        say "class archive written in $((SECONDS - begun)) s"
    else
        tail -n 20 "$log" >"$archive.failed"
        say "no class archive: $(tail -n 1 "$log")"
    fi
    rm -f "$log"
    find "$cache" -maxdepth 1 -name 'kernel-*' ! -name "$(basename "$jar")" ! -name "$(basename "$archive")" -atime +$keep_days -delete
}

# Of the Hadoop inside Spark; nothing if Spark has its S3 file system, or no Hadoop that could be told.
hadoop_aws() {
    local found
    ! compgen -G "$spark/jars/hadoop-aws-*.jar" >/dev/null || return 0
    for found in "$spark"/jars/hadoop-{client-api,common}-[0-9]*.jar; do
        [ -e "$found" ] || continue
        found=${found##*/hadoop-}
        found=${found#client-api-}
        found=${found#common-}
        echo "${found%.jar}"
        return
    done
}

print_results() {
    name_results
    printf 'SPARK_HOME=%s\nAMA_KERNEL_JAR=%s\nAMA_CDS_ARCHIVE=%s\nAMA_HADOOP_AWS=%s\n' \
        "$spark" "$jar" "$([ ! -e "$archive" ] || echo "$archive")" "$(hadoop_aws)"
}

wanted=$(missing)
if [ -n "$check" ]; then
    [ -z "$wanted" ] && exit 0
    echo "$wanted"
    exit 1
fi
if [ -n "$wanted" ]; then
    exec 9>"$cache/.lock"
    flock -n 9 || { say "another installation is under way: waiting for it"; flock 9; }
    [ -d "$spark/jars" ] || install_spark
    compiled || compile_python
    name_results
    [ -e "$jar" ] || build_jar
    [ -e "$archive" ] || [ -e "$archive.failed" ] || make_archive
fi
print_results
