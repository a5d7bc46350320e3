#!/usr/bin/env bash
# make setup: installs the wheel of this crate into an environment, from the cache or built by cargo. Without it all works, but
# slower; so whatever is missing costs one line and no error.
#   install.sh PYTHON STAMP        STAMP is touched unless cargo may still come
set -euo pipefail
python=$(realpath --no-symlinks "$1") stamp=$(realpath --no-symlinks "$2")
cd "$(dirname "$0")"
least=89 # of Rust 1: AVX512 is stable from there on
cache=${XDG_CACHE_HOME:-$HOME/.cache}/datdot/codec
slower="sectors are encoded at a sixth and decoded at a tenth of the speed (docs/operator.md, \"The codec\")"

digest() { # of all that the wheel is made of, and of the machine
    { find Cargo.toml Cargo.lock src python ../Cargo.toml ../src -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
      uname -sm; } | sha256sum | cut -c1-16
}
wheels="$cache/$(digest)"
install() { "$python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheels"/*.whl && touch "$stamp"; }

if compgen -G "$wheels/*.whl" >/dev/null; then install; exit; fi
if ! command -v cargo >/dev/null; then
    echo "cargo was not found (Rust 1.$least or newer, https://rustup.rs): $slower" >&2
    exit
fi
found=$(cargo --version | sed -E 's/^cargo 1\.([0-9]+)\..*/\1/')
if [ "$found" -lt "$least" ]; then
    echo "cargo 1.$found is older than 1.$least (https://rustup.rs): $slower" >&2
    exit
fi
echo "building the codec by cargo, once: about a minute on two cores" >&2
mkdir -p "$cache"
fresh=$(mktemp -d "$cache/building.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
if CARGO_NET_RETRY=1 CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target} "$python" -m pip wheel --quiet --disable-pip-version-check \
    --retries 1 --timeout 20 --no-deps --wheel-dir "$fresh" ./python >"$cache/build.log" 2>&1; then
    rm -rf "$wheels" && mv "$fresh" "$wheels" && install
else
    echo "the codec could not be built ($cache/build.log; \`make clean setup\` tries again): $slower" >&2
    touch "$stamp"
fi
