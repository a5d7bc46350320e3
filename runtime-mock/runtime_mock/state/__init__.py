"""A chain's state: overlays, the trie and its roots."""
