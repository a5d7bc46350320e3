#!/usr/bin/env bash
# make wheels: the codec's wheels for a release, in dist/: manylinux for x86-64, and for aarch64 where rustc has that target.
#   wheels.sh PYTHON DIRECTORY
set -euo pipefail
python=$(realpath --no-symlinks "$1") out=$(realpath "$2")
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools"
# zig links against an old glibc, and for another processor.
"$tools/bin/pip" install --quiet --disable-pip-version-check maturin==1.16.0 ziglang==0.13.0
for target in x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu; do
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
        echo "no wheel for $target: rustc does not have it (rustup target add $target; with Debian's rustc libstd-rust-dev of that architecture)" >&2
        continue
    fi
    PATH="$tools/bin:$PATH" maturin build --release --locked --zig --compatibility manylinux2014 --target "$target" \
        --manifest-path python/Cargo.toml --out "$out"
done
