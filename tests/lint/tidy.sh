#!/usr/bin/env bash
# clang-tidy with the checks of .clang-tidy over the product's C files. usage: tidy.sh SOURCE_DIR BINARY_DIR
cd "$1" || exit 1
rc=0
# only in a build with failpoints, of which this one knows nothing
clang-tidy-14 --quiet --warnings-as-errors='*' actors/base/ama_failpoint.c -- -std=c11 -D_GNU_SOURCE -DAMA_FAILPOINTS -I. 2>/dev/null || rc=1
find actors messages config master agent client -name '*.c' ! -path actors/base/ama_failpoint.c -print0 |
    xargs -0 -n 4 -P "$(nproc)" clang-tidy-14 -p "$2" --quiet --warnings-as-errors='*' 2>/dev/null || rc=1
exit $rc
