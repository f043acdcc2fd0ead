# SPDX-License-Identifier: BSD-2-Clause
# For the scripts beside it: where we are, and what has to be installed.
# shellcheck shell=bash

set -eu -o pipefail

called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
jobs=$(nproc 2>/dev/null || echo 2)

missing=()

# need PACKAGE TEST...: notes the package of Debian's if the test fails
need() {
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || missing+=("$package")
}

have() { command -v "$1"; }

have_any() {
	local name
	for name in "$@"; do
		have "$name" && return
	done
	return 1
}

have_cmocka() {
	printf '%s\n' '#include <stdarg.h>' '#include <stddef.h>' '#include <stdint.h>' \
		'#include <setjmp.h>' '#include <cmocka.h>' | "${CC:-cc}" -E -x c - -o /dev/null
}

have_libfuzzer() {
	local out
	out=$(mktemp) || return
	echo 'int LLVMFuzzerTestOneInput(const char *d, long n); int LLVMFuzzerTestOneInput(
		const char *d, long n) { (void)d; (void)n; return 0; }' |
		clang -fsanitize=fuzzer,address,undefined -x c - -o "$out"
	local status=$?
	rm -f "$out"
	return $status
}

# Installs what was noted. Says so; where it may not, says what to run.
install_missing() {
	[ ${#missing[@]} -gt 0 ] || return 0
	local install=(apt-get install -y --no-install-recommends "${missing[@]}") as_root=()
	if ! have apt-get >/dev/null; then
		echo "$0: missing, by the names of Debian's packages: ${missing[*]}" >&2
		exit 1
	fi
	if [ "$(id -u)" != 0 ]; then
		if ! sudo -n true 2>/dev/null; then
			echo "$0: missing tools. Run as root: apt-get update && ${install[*]}" >&2
			exit 1
		fi
		as_root=(sudo -n)
	fi
	echo "installing: ${missing[*]}"
	local log
	log=$(mktemp)
	if ! { ${as_root[@]+"${as_root[@]}"} apt-get -q update &&
		${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive "${install[@]}"; } \
		>"$log" 2>&1 </dev/null; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		echo "$0: could not install: ${install[*]}" >&2
		exit 1
	fi
	rm -f "$log"
	missing=()
}

# What any build needs.
need_build_tools() {
	need gcc have_any "${CC:-cc}"
	need libc6-dev test -e /usr/include/stdlib.h -o -n "${CC:-}"
	need cmake have cmake
	need make have_any make ninja
	# CMake itself takes make where there is both.
	if ! have make >/dev/null && have ninja >/dev/null; then
		export CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
	fi
}

# configure_and_build PRESET [TARGET...]
configure_and_build() {
	local preset=$1
	shift
	cmake --preset "$preset"
	cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"}
}

# Output to a log; shown only if the command fails.
quietly() {
	local name=$1 log=build/log/$1.log
	shift
	mkdir -p build/log
	if ! "$@" >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		echo "$name failed: all of it is in $log" >&2
		return 1
	fi
}
