#!/usr/bin/env bash
# Runs the fuzz targets of the modules in go.work: fuzz.py, which is called with
# the environment that it needs.
#
#   scripts/fuzz.sh --help
#
# SANITIZE: address,undefined or race; see sanitizers.sh.
# SANITIZE_REPORTS: where their reports are kept (default nowhere).
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
-h | --help)
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "scripts/${0##*/}"
	exec python3 scripts/fuzz.py --help
	;;
--table) exec python3 scripts/fuzz.py "$@" ;;
esac
. scripts/sanitizers.sh

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
SANITIZE_REPORTS=${SANITIZE_REPORTS:-$tmp/report}
sanitize "${SANITIZE:-}"
if [[ ,${FUZZTAGS-nogocv}, = *,nogocv,* ]]; then scripts/setup.sh --no-opencv; else scripts/setup.sh; fi

status=0
python3 scripts/fuzz.py "$@" || status=$?
reports || status=1
exit $status
