"""The chain for laptops and CI: one Substrate JSON-RPC server over the real runtime in wasm or its model in Python."""
