#!/usr/bin/env bash
# make runtime: compiles the runtime to wasm and writes the artefacts (wasm, metadata, chain spec, digest of the sources),
# and the chain's types in Python that follow from the metadata.
# Needs a Rust toolchain (1.88 or newer) with the target wasm32v1-none, and a wasm-ld at least as new as its LLVM.
set -euo pipefail
cd "$(dirname "$0")"
die() { echo "make runtime: $*" >&2; exit 1; }

command -v cargo >/dev/null || die "cargo is missing: install Rust (https://rustup.rs)"
has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32v1-none" ]; }
if ! has_target && command -v rustup >/dev/null; then rustup target add wasm32v1-none >/dev/null; fi
has_target || die "the target wasm32v1-none is missing (rustup target add wasm32v1-none)"
if [ -z "${CARGO_TARGET_WASM32V1_NONE_LINKER:-}" ]; then
    for linker in wasm-ld-22 wasm-ld-21 wasm-ld; do
        if command -v "$linker" >/dev/null; then export CARGO_TARGET_WASM32V1_NONE_LINKER="$linker"; break; fi
    done # rustup's toolchains bring rust-lld, which cargo takes when no linker is set
fi
target=${CARGO_TARGET_DIR:-target}
RUSTFLAGS="-C target-cpu=mvp -C target-feature=-sign-ext -C link-arg=--export-table -C link-arg=--import-memory -C link-arg=--export=__heap_base --cfg substrate_runtime" \
    cargo build --locked --release --target wasm32v1-none --no-default-features -p datdot-runtime
cd ..
.venv/bin/python -m runtime_mock.artifacts build "$(cd pallet-spec && realpath "$target")/wasm32v1-none/release/datdot_runtime.wasm"
.venv/bin/python -m service.codegen
