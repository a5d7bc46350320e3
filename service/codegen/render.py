"""Rendering of descriptions as Python modules, which ruff then formats."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence

from .describe import Choice, Class, Constant, Member, Metadata, StorageItem
from .names import ALIASES, ARGUMENTS, upper

WIDTH = 120
NOTE = "# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit."
FUTURE = "from __future__ import annotations"
DATACLASS = "@dataclass(frozen=True, slots=True)"


def module(doc: str, imports: Iterable[str], parts: Iterable[str]) -> str:
    """Return a whole module."""
    return "\n\n".join([f'{NOTE}\n"""{doc}"""', FUTURE, "\n".join(imports), *parts]) + "\n"


def docstring(doc: str, otherwise: str = "", indent: str = "    ") -> list[str]:
    """Return the lines of a docstring: the first sentence, then the rest. There are none without documentation."""
    text = (doc or otherwise).replace("\\", "\\\\")
    if not text:
        return []
    if len(text) <= WIDTH - 6 - len(indent):
        return [f'{indent}"""{text}"""']
    first, rest = (*re.split(r"(?<=[.:;]) ", text, maxsplit=1), "")[:2]
    wrapped = textwrap.wrap(rest, WIDTH, initial_indent=indent, subsequent_indent=indent)
    return [f'{indent}"""{first}', "", *wrapped, f'{indent}"""'] if rest else [f'{indent}"""{first}"""']


def dataclass_of(one: Class, otherwise: str) -> str:
    """Return a frozen dataclass."""
    lines = [DATACLASS, f"class {one.name}:", *docstring(one.doc, otherwise)]
    if one.fields:
        lines.append("")
    for field in one.fields:
        lines += [f"    {field.name}: {field.kind}", *docstring(field.doc)]
    return "\n".join(lines)


def enum_of(name: str, doc: str, members: Sequence[Member]) -> str:
    """Return an enum whose values are the chain's names."""
    lines = [f"class {name}(Enum):", *docstring(doc, "One of the chain's names."), ""]
    for member in members:
        lines += [f'    {upper(member.name)} = "{member.name}"', *docstring(member.doc)]
    return "\n".join(lines)


def union_of(name: str, doc: str, members: Sequence[Class]) -> str:
    """Return a union of classes, one per line."""
    lines = [f"{name} = (", *(f"    | {one.name}" for one in members), ")", *docstring(doc, indent="")]
    return "\n".join(lines).replace("(\n    | ", "(\n    ", 1)


def type_part(one: Class | Choice) -> str:
    """Return a type of the pallet."""
    if isinstance(one, Class):
        return dataclass_of(one, f"{one.name} of the pallet.")
    if one.names:
        return enum_of(one.name, one.doc, one.names)
    classes = [dataclass_of(variant, f"{one.name} {variant.name}.") for variant in one.classes]
    return "\n\n\n".join([*classes, union_of(one.name, one.doc, one.classes)])


def names_in(kinds: Iterable[str]) -> set[str]:
    """Return the classes and aliases that types mention."""
    return {word for kind in kinds for word in re.findall(r"\b[A-Z]\w+", kind)} - {"None"}


def _mentioned(one: Class | Choice) -> set[str]:
    classes = [one] if isinstance(one, Class) else one.classes
    return names_in(field.kind for cls in classes for field in cls.fields)


def _is_dataclass(one: Class | Choice) -> bool:
    return isinstance(one, Class) or bool(one.classes)


def type_modules(metadata: Metadata) -> dict[str, str]:
    """Return the modules of the pallet's types, by file name within `types`."""
    modules = metadata.modules()
    homes = {one.name: module_name for module_name, types in modules.items() for one in types}
    homes.update(dict.fromkeys(ALIASES, "aliases"))
    found = {"aliases.py": _aliases(), "__init__.py": _all_types(homes)}
    for name, types in modules.items():
        ordered = _by_need(types)
        wanted = {word for one in types for word in _mentioned(one) if homes[word] != name}
        imports = ["from dataclasses import dataclass"] if any(map(_is_dataclass, types)) else []
        imports += [] if all(map(_is_dataclass, types)) else ["from enum import Enum"]
        imports += ["", *(f"from .{homes[word]} import {word}" for word in sorted(wanted))] if wanted else []
        doc = f"The pallet's types: {name}."
        found[f"{name}.py"] = module(doc, imports, ["\n\n\n".join(map(type_part, ordered))])
    return found


def _by_need(types: list[Class | Choice]) -> list[Class | Choice]:
    """Order types so that those others of the same module mention come first."""
    left, done = {one.name: one for one in types}, []
    while left:
        ready = next(one for one in left.values() if not (_mentioned(one) - {one.name}) & set(left))
        done.append(left.pop(ready.name))
    return done


def _aliases() -> str:
    aliases = [
        "AccountId: TypeAlias = bytes  # 32",
        "Hash: TypeAlias = bytes  # 32",
        "Bytes: TypeAlias = bytes  # a key, a signature, a sector, a manifest",
    ]
    return module(
        "Names of what is bytes here; a field may be called `bytes`.",
        ["from typing import TypeAlias"],
        ["\n".join(aliases)],
    )


def _all_types(homes: dict[str, str]) -> str:
    doc = """The pallet's types as Python values (pallet-spec/README.md section 3).

Field names and order are those of the metadata. Accounts, keys and hashes are `bytes`,
amounts are `int` of the smallest unit, sequences are tuples.
"""
    imports = [f"from .{homes[name]} import {name}" for name in sorted(homes)]
    exported = ", ".join(f'"{name}"' for name in sorted(homes))
    return module(doc, imports, [f"__all__ = [{exported},]"])


def events_module(events: Sequence[Class]) -> str:
    """Return the events, as frozen dataclasses by their names on the chain."""
    parts = [dataclass_of(one, f"Event `{one.name}` of the pallet.") for one in events]
    parts += [union_of("Event", "", events)]
    parts += ["EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}"]
    wanted = names_in(field.kind for one in events for field in one.fields)
    imports = ["from dataclasses import dataclass", "from typing import get_args", "", _from_types(wanted)]
    return module(
        "The pallet's events as frozen dataclasses, by their names on the chain.", imports, ["\n\n\n".join(parts)]
    )


def errors_module(errors: Sequence[Member]) -> str:
    """Return the errors, by their names on the chain."""
    doc = "Why a call of DatDot failed (pallet-spec/README.md section 16); `DispatchError.kind`."
    return module(
        "The pallet's errors, by their names on the chain.",
        ["from enum import Enum"],
        [enum_of("PalletError", doc, errors)],
    )


def calls_module(calls: Sequence[Class]) -> str:
    """Return a function for each call, with the arguments of the metadata in their order."""
    helper = "def _datdot(name: str, **arguments: object) -> Call:\n    return Call(PALLET, name, arguments)"
    wanted = names_in(field.kind for one in calls for field in one.fields) - {"Call"}
    imports = ["from ..call import PALLET, Call", _from_types(wanted)]
    doc = "The pallet's calls, one function each, arguments in the order of the metadata."
    return module(doc, imports, ["\n\n\n".join([helper, *map(call_part, calls)])])


def call_part(one: Class) -> str:
    """Return the function of a call."""
    named = [(ARGUMENTS.get(field.name, field.name), field) for field in one.fields]
    arguments = ", ".join(f"{name}: {field.kind}" for name, field in named)
    passed = "".join(f", {field.name}={name}" for name, field in named)
    doc = one.doc
    for old, new in ARGUMENTS.items():
        doc = doc.replace(f"`{old}`", f"`{new}` {old}")
    lines = [f"def {one.name}({arguments}) -> Call:", *docstring(doc, f"Call `{one.name}`.")]
    return "\n".join([*lines, f'    return _datdot("{one.name}"{passed})'])


def items_module(items: Sequence[StorageItem]) -> str:
    """Return the storage items with the types of their values."""
    wanted = names_in(one.kind for one in items)
    imports = ["from typing import Any", "", "from .item import Item", _from_types(wanted)]
    lines = []
    for one in items:
        keys = f" Keys: {', '.join(one.keys)}." if one.keys else ""
        lines += [f'{upper(one.name)}: Item[{one.kind}] = Item("{one.name}", {one.kind})']
        lines += docstring((one.doc + keys).strip(), indent="")
    every = "ITEMS: tuple[Item[Any], ...] = (" + "".join(f"{upper(one.name)}, " for one in items) + ")"
    doc = "The pallet's storage items, the types of their values, and the chain's types of their keys."
    return module(doc, imports, ["\n".join(lines), every])


def constants_module(constants: Sequence[Constant]) -> str:
    """Return the constants, numbers with their digits in groups."""
    lines = []
    for one in constants:
        value = f"{one.value:_}" if isinstance(one.value, int) else f"{one.value!r}"
        lines += [f"{upper(one.name)}: Final = {value}", *docstring(one.doc, indent="")]
    doc = "The pallet's constants: bounds and scales that calls and rules follow."
    return module(doc, ["from typing import Final"], ["\n".join(lines)])


def _from_types(names: set[str]) -> str:
    return f"from .types import {', '.join(sorted(names))}" if names else ""


def modules_of(metadata: Metadata, in_form: Callable[[str], str]) -> dict[str, str]:
    """Return every generated module by its path below `pallet`, formatted by `in_form`."""
    raw = {f"types/{name}": text for name, text in type_modules(metadata).items()}
    raw["events.py"] = events_module(metadata.events())
    raw["errors.py"] = errors_module(metadata.errors())
    raw["calls.py"] = calls_module(metadata.calls())
    raw["items.py"] = items_module(metadata.items())
    raw["constants.py"] = constants_module(metadata.constants())
    return {name: in_form(text) for name, text in sorted(raw.items())}
