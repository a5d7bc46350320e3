"""Feeds without a chain: import, export, fetch, verify and serve them."""
