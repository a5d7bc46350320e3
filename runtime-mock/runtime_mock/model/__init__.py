"""The runtime re-implemented from the specification, in pure Python: the second implementation, and the mock's default."""

from __future__ import annotations

from .runtime import ModelRuntime

__all__ = ["ModelRuntime"]
