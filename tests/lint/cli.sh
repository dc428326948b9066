#!/usr/bin/env bash
# docs/reference/cli.md is what `ama help --markdown` prints. usage: cli.sh SOURCE_DIR BINARY_DIR
diff -u "$1/docs/reference/cli.md" <("$2/bin/ama" help --markdown) || {
    echo "run: ama help --markdown > docs/reference/cli.md"
    exit 1
}
