#!/usr/bin/env bash
# The command line of Apache Amaterasu's start scripts, for jobs that are started by it. Uses a running amad, else runs the job here. The lines are the old
# ones (`===> …`), the exit code is true: 0 succeeded, 1 failed, 2 usage, 3 rescued by an error action, 4 cancelled, 5 infrastructure.
set -uo pipefail

usage() {
    cat >&2 <<'TEXT'
usage: ama-start.sh --repo=URL [--branch=BRANCH] [--env=ENV] [--name=NAME] [--report=none|execution|code]
short: -r= -b= -e= -n= -i= (report)
TEXT
    exit 2
}

warn() { printf 'ama-start.sh: %s\n' "$*" >&2; }

is_level() { case ${1,,} in none | execution | code) return 0 ;; *) return 1 ;; esac; }

repo='' branch='' env='' name='' report=none
for word in "$@"; do
    value=${word#*=}
    case $word in
    --repo=* | -r=*) repo=$value ;;
    --branch=* | -b=*) branch=$value ;;
    --env=* | -e=*) env=$value ;;
    --name=* | -n=*) name=$value ;;
    --report=*)
        is_level "$value" || { warn "--report=$value: it takes none, execution or code"; usage; }
        report=${value,,}
        ;;
    -i=* | -p=*) # the report's level in some versions; a job's id, a password in others
        if is_level "$value"; then
            report=${value,,}
        elif [[ $word == -p=* ]]; then
            warn "passwords are not taken from the command line; set up a git credential helper. Ignored: -p"
        else
            warn "a job can not be resumed from here. Ignored: $word"
        fi
        ;;
    --password=*) warn "passwords are not taken from the command line; set up a git credential helper. Ignored: --password" ;;
    --user-name=* | -u=*) warn "set up a git credential helper instead. Ignored: ${word%%=*}" ;;
    --job-id=*) warn "a job can not be resumed from here. Ignored: $word" ;;
    --default | --force-bin | --force-bin=* | -f | -f=* | --jar-path=* | -j=* | --home=* | --new-job-id=*) ;; # meant nothing, or nothing any more
    --help | -h) usage ;;
    *) warn "unknown option, ignored: $word" ;;
    esac
done
[ -n "$repo" ] || { warn "--repo= is missing"; usage; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ama=$(command -v ama || printf '%s' "$here/../build/release/bin/ama")
[ -x "$ama" ] || { warn "ama is not built: cmake --preset release && cmake --build --preset release"; exit 5; }

options=(--repo "$repo" --report "$report" --report-format legacy)
[ -z "$branch" ] || options+=(--branch "$branch")
[ -z "$env" ] || options+=(--env "$env")
[ -z "$name" ] || options+=(--name "$name")

if "$ama" list --server default --limit 1 >/dev/null 2>&1; then
    exec "$ama" submit "${options[@]}"
fi
[ -n "$branch" ] || options+=(--ref HEAD) # the old scripts always took what was committed
exec "$ama" run "${options[@]}"
