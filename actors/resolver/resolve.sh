#!/usr/bin/env bash
# Resolves one request: standard input to standard output, see README.md. usage: resolve.sh OUT_DIR [NAME=VALUE...] (environment)
out=${1:?usage: resolve.sh OUT_DIR [NAME=VALUE...]}
shift
for pair; do export "${pair?}"; done
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
find_java
made=$out/$(build_name)
archive=$made/$(archive_name)
if [ ! -d "$made" ] || [ ! -e "$archive" ]; then "$here/build.sh" "$out" </dev/null || exit 1; fi
if [ -s "$archive" ]; then java_flags+=(-Xshare:auto "-XX:SharedArchiveFile=$archive"); fi
exec "$java" "${java_flags[@]}" -cp "$made/resolve.jar:$made/$coursier_jar" amaterasu.resolver.Resolve
