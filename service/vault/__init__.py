"""A peer's keys and their storage."""
