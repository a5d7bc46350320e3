#!/usr/bin/env bash
# make weights: builds the runtime with its benchmarks, runs them twice in the executor that real nodes have, and keeps what
# they took in weights.json, beside which tests hold the declared weights. It takes about an hour on two cores the first time:
# the executor is a large part of a real node.
set -euo pipefail
cd "$(dirname "$0")"
for linker in ${CARGO_TARGET_WASM32V1_NONE_LINKER:-} wasm-ld-22 wasm-ld-21 wasm-ld; do
    if command -v "$linker" >/dev/null; then export CARGO_TARGET_WASM32V1_NONE_LINKER="$linker"; break; fi
done
target=$(realpath -m "${CARGO_TARGET_DIR:-target}/weights")
flags="-C target-cpu=mvp -C target-feature=-sign-ext -C link-arg=--export-table -C link-arg=--import-memory"
RUSTFLAGS="$flags -C link-arg=--export=__heap_base --cfg substrate_runtime" cargo build --locked --release \
    --target wasm32v1-none --target-dir "$target" --no-default-features --features runtime-benchmarks -p datdot-runtime
cargo build --locked --release --target-dir "$target" --manifest-path bencher/Cargo.toml
for run in 1 2; do
    "$target/release/datdot-bencher" "$target/wasm32v1-none/release/datdot_runtime.wasm" artifacts/chain-spec.json "$@" \
        >"$target/run-$run.json"
done
printf '[%s,\n%s]\n' "$(cat "$target/run-1.json")" "$(cat "$target/run-2.json")" >weights.json
