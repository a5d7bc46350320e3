"""A hypercore on disk: blocks, tree nodes and bitfields in SQLite."""
