"""The making of a node's file of settings: the questions of `datdot init`, their defaults, and the TOML of the answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.units import GIB, MIB

from .options import BY_NAME

LEAST_OFFER = 64 * MIB
"""A disk with less to give than this hosts nothing."""
USUAL_PART = 2
"""Of what is free on the disk, less the reserve, its n-th part is offered if nothing is said."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a setting. `roles`: it is asked if the node has one of them; none: always."""

    name: str
    text: str
    roles: frozenset[str] = frozenset()


HOSTS, ENCODES, ATTESTS = frozenset({"hoster"}), frozenset({"encoder"}), frozenset({"attester"})
QUESTIONS = (
    Question("roles", "What shall the node do? Some of author, sponsor, hoster, encoder, attester"),
    Question("chain", "Where is the chain's node?"),
    Question("hosting_capacity", "How much of this disk may it fill with copies?", HOSTS),
    Question("hosting_ask_disk", "For what price per GiB and era?", HOSTS),
    Question("hosting_ask_receiving", "For what price per GiB that it receives?", HOSTS),
    Question("encoding_ask", "For what price per GiB that it encodes?", ENCODES),
    Question("attesting_ask", "For what price per report?", ATTESTS),
    Question("attesting_slots", "How many attester slots?", ATTESTS),
    Question("listen", "At which address and port does it listen for peers?"),
    Question("announce", "At which address do others reach it? Empty: the same"),
    Question("bootstrap", "Which node of the DHT does it begin with, HOST:PORT or public? Empty: none"),
    Question("http_listen", "Where does it show health, metrics and status? Empty: nowhere"),
    Question("alerts_targets", "Who is told of alerts, as a URL such as json://HOST/PATH? Empty: nobody"),
)


def asked(roles: list[str]) -> list[Question]:
    """Return the questions for a node with these roles, but for that about them."""
    return [one for one in QUESTIONS if one.name != "roles" and (not one.roles or one.roles & set(roles))]


def defaults(free: int | None, reserve: int) -> dict[str, str]:
    """Return what is proposed, as it would be typed. `free` are the bytes on the disk, None if nobody can tell."""
    found = {
        "roles": "hoster",
        "chain": BY_NAME["chain"].default,
        "hosting_ask_disk": BY_NAME["hosting_ask_disk"].default,
        "hosting_ask_receiving": BY_NAME["hosting_ask_receiving"].default,
        "encoding_ask": BY_NAME["encoding_ask"].default,
        "attesting_ask": BY_NAME["attesting_ask"].default,
        "attesting_slots": BY_NAME["attesting_slots"].default,
        "listen": "0.0.0.0:4000",
        "http_listen": "127.0.0.1:8080",
    }
    offer = usual_offer(free, reserve)
    if offer is not None:
        found["hosting_capacity"] = offer
    return found


def usual_offer(free: int | None, reserve: int) -> str | None:
    """Return the capacity that is proposed for a disk, None if there is too little room or nobody can tell."""
    given = 0 if free is None else (free - reserve) // USUAL_PART
    if given < LEAST_OFFER:
        return None
    return f"{given // GIB}GiB" if given >= GIB else f"{given // MIB}MiB"


def checked(name: str, text: str) -> str | list[str]:
    """Return an answer as it stands in the file: a list where there may be many. Raises ValueError that says what is right."""
    setting = BY_NAME[name]
    if not setting.many:
        setting.read(text)
        return text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        setting.read(part)
    return parts


def toml_of(answers: Mapping[str, Any]) -> str:
    """Return the file of settings, in the order of the manual's table."""
    top: list[str] = []
    tables: dict[str, list[str]] = {}
    for name, setting in BY_NAME.items():
        if name not in answers:
            continue
        table, _, key = setting.key.rpartition(".")
        (tables.setdefault(table, []) if table else top).append(f"{key} = {_value(answers[name])}")
    lines = ["# Made by datdot init; docs/operator.md has all settings. datdot node --dir DIR --config THIS", *top]
    for table, inside in tables.items():
        lines += ["", f"[{table}]", *inside]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    escaped = "".join(
        f"\\u{ord(one):04x}" if one in '"\\' or ord(one) < 32 or ord(one) == 127 else one for one in str(value)
    )
    return f'"{escaped}"'
