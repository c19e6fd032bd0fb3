#!/bin/sh
# Do the kernels give the same bits on ARM? Compiles them for this machine and for aarch64, runs the latter in an
# emulator, and compares hashes of what each instruction set makes of random and special values.
# Needs a cross compiler and qemu's user emulation (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user).
# Usage: scripts/check_arm.sh
set -eu
cross=${CROSS_CC:-aarch64-linux-gnu-gcc}
emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)
if ! command -v "$cross" > /dev/null || [ -z "$emulator" ]; then
    echo "skipped: needs $cross and qemu-aarch64"
    exit 0
fi
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
flags="-std=c11 -O3 -ffp-contract=off -Wall -Wextra -Werror -D_GNU_SOURCE -I$root/csrc"
files="$root/scripts/check_arm.c $root/csrc/fold.c $root/csrc/reduce.c"
# shellcheck disable=SC2086
${CC:-gcc} $flags $files -o "$build/native"
# shellcheck disable=SC2086
"$cross" -static $flags $files -o "$build/arm"
"$build/native" > "$build/hashes"
"$emulator" "$build/arm" >> "$build/hashes"
cat "$build/hashes"
if [ "$(cut -d' ' -f1 "$build/hashes" | sort -u | wc -l)" != 1 ]; then
    echo "the bits differ"
    exit 1
fi
echo "the same bits everywhere"
