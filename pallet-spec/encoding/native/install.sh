#!/usr/bin/env bash
# make setup: installs the wheel of this crate into an environment, from the cache or built by cargo. Without it all works, but
# slower; so whatever is missing costs one line and no error.
#   install.sh PYTHON STAMP        STAMP is touched unless cargo may still come
set -euo pipefail
python=$(realpath --no-symlinks "$1") stamp=$(realpath --no-symlinks "$2")
cd "$(dirname "$0")"
least=89 # of Rust 1: AVX512 is stable from there on
cache=${XDG_CACHE_HOME:-~/.cache}/datdot/codec
slower="sectors are encoded at a sixth and decoded at a tenth of the speed (docs/operator.md, \"The codec\")"

digest() { # of all that the wheel is made of, and of the machine
    { find Cargo.toml Cargo.lock src python ../Cargo.toml ../src -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
      uname -sm; } | sha256sum | cut -c1-16
}
without() { # the codec, all goes on
    echo "$1: $slower" >&2
    exit
}
install() { # the wheel in a folder
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$1"/*.whl && touch "$stamp"
}

wheels="$cache/$(digest)"
# One that does not install was cut off, or is of another system that shares this folder: it is built anew.
if compgen -G "$wheels/*.whl" >/dev/null && install "$wheels" 2>/dev/null; then exit; fi
if ! command -v cargo >/dev/null; then
    without "cargo was not found (Rust 1.$least or newer, https://rustup.rs)"
fi
# Of rustup only the names may be there, with no toolchain behind them.
found=$(cargo --version 2>/dev/null | sed -nE 's/^cargo ([0-9]+\.[0-9]+)\..*/\1/p') || found=
if [ -z "$found" ]; then
    without "cargo does not work (\`cargo --version\` says what is wrong)"
fi
if [ "${found%.*}" -eq 1 ] && [ "${found#*.}" -lt "$least" ]; then
    without "cargo $found is older than 1.$least (https://rustup.rs)"
fi
if ! { mkdir -p "$cache" && fresh=$(mktemp -d "$cache/building.XXXXXX"); } 2>/dev/null; then
    without "$cache cannot be written"
fi
trap 'rm -rf "$fresh"' EXIT
echo "building the codec by cargo, once: about a minute on two cores" >&2
if ! CARGO_NET_RETRY=1 CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target} "$python" -m pip wheel --quiet --disable-pip-version-check \
    --retries 1 --timeout 20 --no-deps --wheel-dir "$fresh" ./python >"$cache/build.log" 2>&1; then
    touch "$stamp"
    without "the codec could not be built ($cache/build.log; \`make clean setup\` tries again)"
fi
# Only what was seen to install goes to the cache, where other checkouts look for it.
if ! install "$fresh" 2>>"$cache/build.log"; then
    touch "$stamp"
    without "the codec was built, but cannot be installed ($cache/build.log; \`make clean setup\` tries again)"
fi
{ rm -rf "$wheels" && mv "$fresh" "$wheels"; } || echo "the codec is installed, but $wheels cannot be written: the next checkout builds it again" >&2
