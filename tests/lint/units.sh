#!/usr/bin/env bash
# systemd understands the units, and what the system's expose is little. usage: units.sh UNITS_DIR INSTALLED_BIN_DIR BUILT_BIN_DIR
set -euo pipefail
units=$1 installed=$2 built=$3 threshold=30 # of 100: an exposure of 3.0
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
bad=0
for unit in "$units"/system/*.service "$units"/user/*.service; do
    kind=$(basename "$(dirname "$unit")")
    mkdir -p "$there/$kind"
    # verify wants the programs to be there, and knows no manual pages of ours
    sed -e "s#^ExecStart=$installed/#ExecStart=$built/#" -e '/^Documentation=/d' "$unit" >"$there/$kind/$(basename "$unit")"
    grep -q "^ExecStart=$built/" "$there/$kind/$(basename "$unit")" || { echo "$unit: its program is not one of ours"; bad=1; }
done
for kind in system user; do
    said=$(XDG_RUNTIME_DIR=$there systemd-analyze "--$kind" verify "$there/$kind"/*.service 2>&1) || bad=1
    said=$(grep -F "$there/$kind" <<<"$said" || true) # not what is wrong with the machine's own units
    [ -z "$said" ] || { echo "$said"; bad=1; }
done
for unit in "$there"/system/*.service; do
    systemd-analyze security --offline=yes --no-pager --threshold=$threshold "$unit" >"$there/said" 2>&1 || { cat "$there/said"; bad=1; }
    tail -n 1 "$there/said"
done
exit $bad
