#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the fuzz targets as OSS-Fuzz and ClusterFuzzLite have it: with the compiler, the
# flags and the engine that the environment names, and into $OUT, without CMake.
#
#     CC CXX CFLAGS CXXFLAGS LIB_FUZZING_ENGINE OUT [WORK]
#
# What is in $OUT then: fuzz_NAME, fuzz_NAME_seed_corpus.zip, fuzz_NAME.dict,
# fuzz_NAME.options. By hand:
#
#     CC=clang CXX=clang++ CFLAGS="-O1 -g -fsanitize=address,undefined,fuzzer-no-link" \
#         LIB_FUZZING_ENGINE=-fsanitize=fuzzer OUT=/tmp/out fuzz/build.sh

set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${CC:?}" "${OUT:?}" "${LIB_FUZZING_ENGINE:?}"
CXX=${CXX:-$CC}
CFLAGS=${CFLAGS:-}
CXXFLAGS=${CXXFLAGS:-$CFLAGS}
jobs=$(nproc 2>/dev/null || echo 2)
folder=$(mktemp -d "${WORK:-${TMPDIR:-/tmp}}/iopgt.XXXXXX")
trap 'rm -rf "$folder"' EXIT
mkdir -p "$OUT"

sources=(lib/*/*.c)
for source in tests/support/*.c fuzz/*.c; do
	case ${source##*/} in
	test_* | fixture*) ;;
	*) sources+=("$source") ;;
	esac
done

# The comparisons of models and references tell a fuzzer nothing, and cost most of its time.
untraced=-fno-sanitize-coverage=trace-cmp
$CC $CFLAGS $untraced -x c -c /dev/null -o "$folder/none" 2>/dev/null || untraced=

# Objects: their names are their paths.
for source in "${sources[@]}"; do
	name=${source//\//.}
	# shellcheck disable=SC2016
	[[ $source == tests/* ]] && flag=$untraced || flag=
	printf '%s\0' "$flag" "$source" "$folder/${name%.c}.o"
done | xargs -0 -n 3 -P "$jobs" sh -c '
	$0 $1 $2 -std=gnu11 -DIOPGT_DEBUG=1 -Iinclude -Ilib -Itests -Itests/support -c "$3" -o "$4"
' "$CC" "$CFLAGS"

shared=()
for object in "$folder"/*.o; do
	case ${object##*/} in
	fuzz.fuzz_*) ;;
	*) shared+=("$object") ;;
	esac
done
for source in fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	# shellcheck disable=SC2086
	$CXX $CXXFLAGS "$folder/fuzz.$name.o" "${shared[@]}" $LIB_FUZZING_ENGINE -lpthread \
		-o "$OUT/$name"
	cp -r "fuzz/corpus/$name" "$folder/$name.seeds"
	python3 fuzz/seeds.py "$folder/$name.seeds"
	(cd "$folder/$name.seeds" && python3 -m zipfile -c "$folder/seeds.zip" ./*)
	mv "$folder/seeds.zip" "$OUT/${name}_seed_corpus.zip"
	cp fuzz/iopgt.dict "$OUT/$name.dict"
	printf '[libfuzzer]\nmax_len = 2048\nlen_control = 0\n' >"$OUT/$name.options"
done
