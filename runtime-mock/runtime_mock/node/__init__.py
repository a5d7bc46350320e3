"""The mock's node: blocks, transaction pool, sealing, and the store on disk."""
