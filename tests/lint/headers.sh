#!/usr/bin/env bash
# Each header compiles by itself. usage: headers.sh SOURCE_DIR BINARY_DIR
set -u
cd "$1" || exit 1
failed=0
flags=$(pkg-config --cflags libczmq libsodium jansson sqlite3)
while IFS= read -r header; do
    # shellcheck disable=SC2086
    printf '#include "%s"\n' "$header" | cc -std=c11 -D_GNU_SOURCE -Wall -Werror -I. -I"$2/gen" $flags -fsyntax-only -x c - || {
        echo "$header does not compile by itself"
        failed=1
    }
done < <(find actors messages config master agent client -name '*.h' | sort)
exit $failed
