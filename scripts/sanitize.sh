#!/bin/sh
# Build the core with ASan and UBSan beside the installed one, and run the core's tests against it.
# test_wall.py is left out: under the sanitizers the host cannot keep the time of day. TEST_EXAMPLES is for the slowest.
# Usage: scripts/sanitize.sh PYTHON
set -eu
python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cp -r "$root/csrc" "$root/_ringtree" "$build"
cd "$build"
RINGTREE_CFLAGS="-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" \
RINGTREE_LDFLAGS="-fsanitize=address,undefined" \
    "$python" _ringtree/build.py > build.log 2>&1 || { cat build.log; exit 1; }
cd "$root"
# The interpreter itself is not instrumented: the runtimes are loaded before it. Python frees nothing at its end.
LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" \
ASAN_OPTIONS=detect_leaks=0 PYTHONPATH="$build" PYTHONMALLOC=malloc TEST_EXAMPLES=40 \
    "$python" -m pytest -q -p no:cacheprovider --ignore=tests/csrc/test_wall.py tests/csrc
