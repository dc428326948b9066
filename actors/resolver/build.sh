#!/usr/bin/env bash
# Prepares the resolver once: fetches coursier's one jar with Maven, compiles java/, archives the classes for a quick start.
# usage: build.sh OUT_DIR    (absolute; <cache>/resolver). Prints what it does as answer lines; says nothing if nothing is to be done.
# Safe to call at any time, from several processes at once: there is a lock, and a folder appears whole or not at all.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
out=${1:?usage: build.sh OUT_DIR}
find_java
done_dir=$out/$(build_name)
archive=$done_dir/$(archive_name)
if [ -d "$done_dir" ] && [ -e "$archive" ]; then exit 0; fi

mkdir -p "$out" || fail nospace "the folder $out could not be made"
exec 9>"$out/lock"
flock 9
tmp=$out/tmp.$$
trap 'rm -rf "$tmp"' EXIT
rm -rf "$out"/tmp.*
mkdir "$tmp"

fetch_jar() {
    say "preparing the resolver: fetching coursier $coursier_version"
    command -v mvn >/dev/null || fail setup "no mvn was found on PATH: the resolver's one jar is fetched with Maven"
    local home=()
    # without a home of the user's, Maven needs one of ours
    case " ${MAVEN_OPTS:-} " in
    *" -Dmaven.repo.local="*) ;;
    *) if [ -z "${HOME:-}" ]; then home=("-Dmaven.repo.local=$out/maven"); fi ;;
    esac
    (cd "$tmp" && mvn -q -B "${home[@]}" dependency:copy -Dartifact="io.get-coursier:interface:$coursier_version" \
        -DoutputDirectory="$tmp/made") >"$tmp/maven.log" 2>&1 </dev/null ||
        fail unreachable "the resolver could not be prepared: Maven did not get io.get-coursier:interface:$coursier_version: $(
            sed -e 's/\x1b\[[0-9;]*m//g' -e 's/^\[ERROR\] *//' "$tmp/maven.log" | grep -v '^$' | head -n 2)"
    echo "$coursier_sha256  $tmp/made/$coursier_jar" | sha256sum -c --status ||
        fail integrity "io.get-coursier:interface:$coursier_version is not the file that was reviewed"
}

compile() {
    local tools=${java%/*}
    say "preparing the resolver: compiling"
    if [ ! -x "$tools/javac" ]; then
        tools=$(command -v javac) || fail setup "no javac was found: the resolver needs a JDK, 17 or later"
        tools=${tools%/*}
    fi
    "$tools/javac" --release 17 -nowarn -cp "$tmp/made/$coursier_jar" -d "$tmp/classes" "$here"/java/*.java >"$tmp/javac.log" 2>&1 ||
        fail setup "the resolver could not be compiled: $(head -n 2 "$tmp/javac.log")"
    "$tools/jar" --create --file "$tmp/made/resolve.jar" -C "$tmp/classes" .
}

if [ ! -d "$done_dir" ]; then
    fetch_jar
    compile
    mv "$tmp/made" "$done_dir"
fi

# The archive names the jars by their final path. Without one the start takes a second longer, and that is all.
if [ ! -e "$archive" ]; then
    say "preparing the resolver: archiving its classes"
    "$java" "${java_flags[@]}" -XX:ArchiveClassesAtExit="$tmp/classes.jsa" -cp "$done_dir/resolve.jar:$done_dir/$coursier_jar" \
        amaterasu.resolver.WarmUp "$tmp" >"$tmp/archive.log" 2>&1 || : >"$tmp/classes.jsa"
    mv "$tmp/classes.jsa" "$archive"
fi
