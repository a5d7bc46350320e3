"""A node's settings from where they may be: command line and environment, a TOML file, the last run, the defaults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from service.roles.common.terms import AttesterTerms, EncoderTerms, HosterTerms, RolesConfig

from .options import BY_NAME, DEFAULT_CHAIN, SETTINGS, Setting
from .settings import NodeError, NodeSettings, host_port

MOST_BYTES = 1 << 20
"""Length of a file at most."""


TERMS = ("hosting.", "encoding.", "attesting.")
"""The tables with the terms of the roles."""


class BadSetting(NodeError):
    """A setting that is wrong. The message names where it stands, and says what is right."""


class BadOption(BadSetting):
    """One on the command line, or in the environment."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """All that a node runs with."""

    settings: NodeSettings
    config: RolesConfig


def resolve(
    given: Mapping[str, Any], file: Path | None, before: NodeSettings | None, text: str | None = None
) -> Resolved:
    """Return the settings of a run: what is `given` on the command line or in the environment, else in the file.

    What is in neither is as at the last run or, with a file, the default. `text` is what the file shall hold, if that is to
    be tried before it is written. Raises BadSetting.
    """
    found = {} if file is None else read_text(file, load_text(file) if text is None else text)
    remembered = {} if file is not None or before is None else before.remembered()
    for name, value in given.items():
        if value is not None and value != []:
            found[name] = _given(BY_NAME[name], value)
    for name, value in remembered.items():
        if name not in BY_NAME:
            raise BadSetting(f"node.json: {name}: this version has no such setting; a later version wrote it")
        found.setdefault(name, _read(BY_NAME[name], value, f"node.json: {name}"))
    if not found.get("roles"):
        raise BadSetting(
            "the roles are missing: the first start of a node needs --roles, DATDOT_ROLES or roles in the file"
        )
    if len(set(found["roles"])) < len(found["roles"]):
        raise BadOption(f"roles {','.join(found['roles'])}: a node's roles are each named once")
    if found.get("relay") and not found.get("bootstrap"):
        raise BadOption("relay: a relay is found in a DHT: add --bootstrap HOST:PORT")
    return Resolved(_settings(found, before), _config(found))


def _given(setting: Setting, value: Any) -> Any:
    try:
        return _read(setting, value, f"{setting.flag} or {setting.variable}")
    except BadSetting as error:
        raise BadOption(str(error)) from error


def _settings(found: Mapping[str, Any], before: NodeSettings | None) -> NodeSettings:
    host, port = found.get("listen", ("127.0.0.1", 0))
    http = found.get("http_listen")
    terms = {name: str(value) for name, value in found.items() if BY_NAME[name].key.startswith(TERMS)}
    return NodeSettings(
        chain=found.get("chain", DEFAULT_CHAIN),
        roles=tuple(found["roles"]),
        host=host,
        port=port,
        peers=tuple(found.get("peers", ())),
        key=found.get("key"),
        genesis=None if before is None else before.genesis,
        announce=found.get("announce"),
        bootstrap=tuple(found.get("bootstrap", ())),
        relay=found.get("relay"),
        upload_limit=found.get("upload_limit"),
        passphrase_file=found.get("passphrase_file"),
        terms=terms,
        http=None if http is None else host_port(*http),
        http_names=tuple(found.get("http_names", ())),
        http_readers=tuple(found.get("http_readers", ())),
        alert_targets=tuple(found.get("alerts_targets", ())),
    )


def _config(found: Mapping[str, Any]) -> RolesConfig:
    usual = RolesConfig()
    hosting, encoding, attesting = usual.hosting, usual.encoding, usual.attesting
    return RolesConfig(
        hosting=HosterTerms(
            found.get("hosting_capacity", hosting.capacity),
            found.get("hosting_ask_disk", hosting.ask_disk),
            found.get("hosting_ask_receiving", hosting.ask_receiving),
            found.get("hosting_region", "").encode(),
        ),
        encoding=EncoderTerms(found.get("encoding_ask", encoding.ask)),
        attesting=AttesterTerms(
            found.get("attesting_ask", attesting.ask), found.get("attesting_slots", attesting.slots)
        ),
        reserve=found.get("hosting_reserve"),
    )


def _read(setting: Setting, value: Any, where: str) -> Any:
    """Return a setting's value from a text, a number or a list of texts. Raises BadSetting."""
    try:
        if setting.many:
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list | tuple):
                raise ValueError(f"{value!r} is no list of texts")
            return [setting.read(part.strip()) for one in values for part in _text(one).split(",")]
        return setting.read(_text(value))
    except ValueError as error:
        raise BadSetting(f"{where}: {error}") from error


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{value!r} is neither a text in quotes nor a whole number")


# ---- the file


def load_text(path: Path) -> str:
    """Return the text of a file of settings. Raises BadSetting."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadSetting(f"{path}: {error.strerror or error}") from error
    if len(raw) > MOST_BYTES:
        raise BadSetting(f"{path}: over {MOST_BYTES} bytes: this is no file of settings")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadSetting(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from error


def read_file(path: Path) -> dict[str, Any]:
    """Return the settings in a TOML file, by name. Paths in it begin at its folder. Raises BadSetting."""
    return read_text(path, load_text(path))


def read_text(path: Path, text: str) -> dict[str, Any]:
    """Return the settings in the text of the file at `path`. Raises BadSetting."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{path}: not TOML: {error}") from error
    found: dict[str, Any] = {}
    for key, value in flat(tables):
        setting = next((one for one in SETTINGS if one.key == key), None)
        where = f"{path}{_line(text, key)}: {key}"
        if setting is None:
            raise BadSetting(f"{where}: there is no such setting{_meant(key)}")
        found[setting.name] = _read(setting, value, where)
    for name in ("key", "passphrase_file"):
        if name in found and not str(found[name]).startswith("//"):
            found[name] = str(path.absolute().parent / found[name])
    return found


def flat(tables: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the values of a file with their names, each with that of its table."""
    known = {one.key.partition(".")[0] for one in SETTINGS if "." in one.key}
    flat: list[tuple[str, Any]] = []
    for name, value in tables.items():
        if isinstance(value, dict) and name in known:
            flat += [(f"{name}.{inner}", one) for inner, one in value.items()]
        else:
            flat.append((name, value))
    return flat


def _meant(key: str) -> str:
    tables = {one.key.partition(".")[0] for one in SETTINGS if "." in one.key}
    close = get_close_matches(key, [one.key for one in SETTINGS] + sorted(tables - {key}), 1, 0.5)
    return f"; perhaps {close[0]} is meant" if close else f": there are {', '.join(one.key for one in SETTINGS)}"


def _line(text: str, key: str) -> str:
    """Return ", line N" of a key, if it begins a line, in its table or with its table's name; or of the table that it is."""
    table, _, name = key.rpartition(".")
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        heading = re.match(r"\s*\[{1,2}\s*([\w.-]+)\s*\]", line)
        if heading:
            here = heading[1]
            if f"{here}.".startswith(f"{key}."):
                return f", line {number}"
            continue
        wanted = name if here == table else key
        if here in ("", table) and re.match(rf"\s*{re.escape(wanted)}\s*=", line):
            return f", line {number}"
    return _line(text, table) if table else ""  # in a table that is written in one line
