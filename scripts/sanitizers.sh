# shellcheck shell=bash
# sanitize LIST sets the environment for builds with sanitizers. It is sourced
# by fuzz.sh and sanitize.sh. LIST is one of
#   address,undefined  AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer for
#                      C code; AddressSanitizer and checkptr for Go code
#   race               the race detector and checkptr, for Go code
# Reports go to SANITIZE_REPORTS.PID, as the workers of a fuzz target have no
# standard error, and end the process with status 99.
sanitize() {
	export CGO_ENABLED=1
	SANITIZE_REPORTS=${SANITIZE_REPORTS:-$(mktemp -d)/report}
	case $1 in
	'') ;;
	address,undefined)
		local ubsan=-fsanitize=undefined,float-divide-by-zero,float-cast-overflow
		export GOFLAGS="${GOFLAGS:+$GOFLAGS }-asan"
		export CGO_CFLAGS="-g -O1 -fno-omit-frame-pointer $ubsan -fno-sanitize-recover=all" CGO_LDFLAGS=$ubsan
		export ASAN_OPTIONS="log_path=$SANITIZE_REPORTS:exitcode=99:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1:max_allocation_size_mb=1024"
		export UBSAN_OPTIONS="log_path=$SANITIZE_REPORTS:exitcode=99:print_stacktrace=1"
		;;
	race)
		export GOFLAGS="${GOFLAGS:+$GOFLAGS }-race"
		export GORACE="log_path=$SANITIZE_REPORTS halt_on_error=1 exitcode=99"
		;;
	*)
		echo "sanitize: $1 is not one of address,undefined and race" >&2
		return 2
		;;
	esac
}

# reports prints the sanitizers' reports, and fails if there are some.
reports() {
	local file status=0
	for file in "$SANITIZE_REPORTS".*; do
		[ -s "$file" ] || continue
		printf '\n-- %s\n' "$file"
		head -60 "$file"
		status=1
	done
	return $status
}
