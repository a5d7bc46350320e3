"""The real runtime, executed in wasmtime, and its host functions."""
