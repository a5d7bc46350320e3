"""The Merkle tree of a hypercore: flat indices, proofs, proving and checking."""
