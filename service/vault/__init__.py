"""A peer's keys and where they lie."""
