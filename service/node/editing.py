"""A node's file of settings, changed while the node runs: checked as at a start, written whole, and taken over at once."""

from __future__ import annotations

import asyncio
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from service import durable
from service.operating.editing import WHOLE, EditableSetting, SettingsOffered, SettingsRefused

from .alerting import targets_of
from .config import BadSetting, Resolved, flat, load_text, read_text, resolve
from .options import SECRET, SETTINGS, Setting, is_live
from .settings import NodeError, NodeSettings

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

log = structlog.get_logger(__name__)

LIVE = {one.key: one for one in SETTINGS if is_live(one)}
NO_FILE = (
    "this node was started without a file of settings, so there is nothing to keep a change in: start it with "
    "--config FILE (datdot init DIR writes one)"
)
MOST_TYPED = 4096
"""Characters of a value at most."""


class SettingsFile:
    """The file of a node that runs, or None; what is `given` on the command line wins over it. `changes` takes what is read."""

    def __init__(
        self,
        path: Path | None,
        given: Mapping[str, Any],
        before: NodeSettings | None,
        changes: asyncio.Queue[Resolved],
    ) -> None:
        self._path, self._given, self._before, self._changes = path, given, before, changes
        self._turn = asyncio.Lock()

    async def offered(self) -> SettingsOffered:
        """Return what can be changed now."""
        if self._path is None:
            return SettingsOffered("", NO_FILE, ())
        try:
            typed = await asyncio.to_thread(_typed, self._path)
        except BadSetting as error:
            return SettingsOffered(str(self._path), f"the file must be mended by hand first: {error}", ())
        rows = tuple(self._row(one, typed.get(one.key)) for one in LIVE.values())
        return SettingsOffered(str(self._path), "", rows)

    def _row(self, one: Setting, typed: Any) -> EditableSetting:
        texts = [str(value) for value in typed] if isinstance(typed, list) else [] if typed is None else [str(typed)]
        secret = one.name in SECRET
        shown = str(len(texts)) if secret and texts else ", ".join(texts)
        return EditableSetting(one.key, one.flag, one.variable, one.default, one.help, shown, secret, self._fixed(one))

    def _fixed(self, one: Setting) -> str:
        if self._given.get(one.name) in (None, []):
            return ""
        return f"{one.flag} or {one.variable} says it, which wins over the file: leave that out at the next start"

    async def change(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Write settings and take them over. Return the names of what differs in the file. Raises SettingsRefused."""
        async with self._turn:
            found, changed = await asyncio.to_thread(self._write, values)
            if changed:
                log.info("settings were changed in the file", file=str(self._path), settings=", ".join(changed))
                self._changes.put_nowait(found)
                await self._changes.join()
            return changed

    def _write(self, values: Mapping[str, str]) -> tuple[Resolved, tuple[str, ...]]:
        if self._path is None:
            raise SettingsRefused({WHOLE: NO_FILE})
        wanted = self._checked(values)
        path = self._path.resolve()  # the file itself, where the path is a link to it
        try:
            before = load_text(path)
            old = _typed(self._path)
            text = _edited(before, wanted)
            found = resolve(self._given, self._path, self._before, text)
            targets_of(found.settings)
        except NodeError as error:
            raise SettingsRefused({WHOLE: str(error)}) from error
        new = dict(flat(tomllib.loads(text)))
        changed = tuple(key for key in wanted if old.get(key) != new.get(key))
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            if found.settings.alert_targets:
                mode &= ~0o077  # their URLs may hold passwords
            if changed:
                durable.replace(path, text.encode(), mode=mode)
        except OSError as error:
            raise SettingsRefused({WHOLE: _unwritable(path, error)}) from error
        return found, changed

    def _checked(self, values: Mapping[str, str]) -> dict[str, str | list[str]]:
        """Return values as they stand in the file, each in the words of the command line refused or taken."""
        wanted: dict[str, str | list[str]] = {}
        reasons: dict[str, str] = {}
        for key, value in values.items():
            one, text = LIVE.get(key), value.strip()
            if one is None:
                reasons[key] = "this setting is not changed while the node runs"
                continue
            try:
                if len(text) > MOST_TYPED:
                    raise ValueError(f"a value has at most {MOST_TYPED} characters")
                if self._fixed(one):
                    raise ValueError(self._fixed(one))
                parts = [part for part in text.replace(",", " ").split() if part] if one.many else [text] * bool(text)
                for part in parts:
                    one.read(part)
                wanted[key] = parts if one.many else text
            except ValueError as error:
                reasons[key] = str(error)
        if reasons:
            raise SettingsRefused(reasons)
        return wanted


def _typed(path: Path) -> dict[str, Any]:
    """Return what a file says, by the names of settings. Raises BadSetting."""
    text = load_text(path)
    read_text(path, text)
    return dict(flat(tomllib.loads(text)))


def _edited(text: str, wanted: Mapping[str, str | list[str]]) -> str:
    """Return the text of a file with other values; comments, order and all else stay as they are."""
    import tomlkit  # a start of a node needs it not

    document = tomlkit.parse(text)
    for key, value in wanted.items():
        _set(document, key, value)
    return tomlkit.dumps(document)


def _set(document: TOMLDocument, key: str, value: str | list[str]) -> None:
    import tomlkit

    name, _, inner = key.rpartition(".")
    if not value:
        table = document.get(name)
        if table is not None and inner in table:
            table.remove(inner)
        return
    if name not in document:
        document[name] = tomlkit.table()
    document[name][inner] = value


def _unwritable(path: Path, error: OSError) -> str:
    return (
        f"{path} cannot be written: {error.strerror or error}; let the account that the node runs under ({os.geteuid()}) write "
        "in its folder, or change the file by hand and send the node SIGHUP"
    )
