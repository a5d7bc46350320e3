"""The runtime implemented again from the specification, in pure Python. It is the mock's default backend."""

from __future__ import annotations

from .runtime import ModelRuntime

__all__ = ["ModelRuntime"]
