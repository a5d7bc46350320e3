"""A chain for laptops and CI: one Substrate JSON-RPC server over the real runtime in wasm, or over its model in Python."""
