"""scalecodec's registry of types, with its results kept: one metadata uses the same few type names very often."""

from __future__ import annotations

from typing import Any

from scalecodec.base import RuntimeConfigurationObject
from scalecodec.type_registry import load_type_registry_preset


class Registry(RuntimeConfigurationObject):  # type: ignore[misc]  # scalecodec has no types
    """A registry that makes one class per type name. scalecodec makes one at each use (11,000 to decode our metadata)."""

    def __init__(self) -> None:
        self._made: dict[Any, Any] = {}
        super().__init__(ss58_format=None, implements_scale_info=True)
        self.clear_type_registry()
        self.update_type_registry(load_type_registry_preset("core"))

    def get_decoder_class(self, type_string: Any) -> Any:
        """Return the class that decodes a type."""
        # the fields of an enum's variant come as a dict
        name = tuple(type_string.items()) if isinstance(type_string, dict) else type_string
        made = self._made.get(name)
        if made is None:
            made = super().get_decoder_class(type_string)
            if made is not None:
                self._made[name] = made
        else:
            # scalecodec's own classes are shared by all registries of a process, and resolve names in the last that asked
            made.runtime_config = self
        return made

    # classes made before may depend on what these methods replace, so they are dropped

    def clear_type_registry(self) -> None:
        """Keep only scalecodec's own types."""
        super().clear_type_registry()
        self._made.clear()

    def update_type_registry_types(self, types_dict: Any) -> None:
        """Add types by their definitions."""
        super().update_type_registry_types(types_dict)
        self._made.clear()

    def update_from_scale_info_types(self, scale_info_types: Any, prefix: str | None = None) -> None:
        """Add the types of a metadata."""
        super().update_from_scale_info_types(scale_info_types, prefix)
        self._made.clear()
