"""The progress callback of long work on a feed."""

from __future__ import annotations

from collections.abc import Callable

OnBytes = Callable[[int, int], None]
"""A function called with (bytes done, total bytes)."""
