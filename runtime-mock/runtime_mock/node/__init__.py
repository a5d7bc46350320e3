"""The mock's node: blocks, transaction pool, sealing, and what is kept on disk."""
