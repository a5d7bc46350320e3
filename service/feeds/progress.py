"""How far a long piece of work on a feed has come."""

from __future__ import annotations

from collections.abc import Callable

OnBytes = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""
