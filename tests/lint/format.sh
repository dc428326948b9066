#!/usr/bin/env bash
# Every C file is as clang-format makes it. usage: format.sh SOURCE_DIR
cd "$1" && find actors messages config master agent client tests bench -name '*.[ch]' -print0 | xargs -0 clang-format-14 --dry-run --Werror
