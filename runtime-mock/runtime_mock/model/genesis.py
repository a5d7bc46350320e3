"""GenesisBuilder: the presets, and the state built from a configuration (without `:code`, which the host adds)."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .. import ss58
from . import pallet
from .datdot.limits import UNIT
from .datdot.params import DEFAULT_AMOUNTS, DEVELOPMENT, PRODUCTION
from .frame import balances, payment, sudo, system
from .frame.limits import EXISTENTIAL_DEPOSIT, SPEC_NAME, SPEC_VERSION
from .scale import COMPACT
from .storage import State, twox

ENDOWMENT = 1_000_000 * UNIT
# The public sr25519 keys of //Alice, //Bob, //Charlie, //Dave, //Eve and //Ferdie of the well-known development phrase.
DEVELOPERS = [
    bytes.fromhex(key)
    for key in (
        "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d",
        "8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48",
        "90b5ab205c6974c9ea841be688864633dc9ca8a357843eeacf2314649965fe22",
        "306721211d5404bd9da88e0204360a1a9ab8b87c66c1bc2fcdd37f3c2222cc20",
        "e659a7a1628cdd93febc04a4e0646ea20e9f5f0ce097d9a05290d4a9e054df4e",
        "1cbd2d43530a44705ad088af313e18f80b53ef16b36177cd4b77b846f2a5f07c",
    )
]
_PRODUCTION, _DEVELOPMENT, _AMOUNTS = asdict(PRODUCTION), asdict(DEVELOPMENT), asdict(DEFAULT_AMOUNTS)
# Pallets and the storage version in their state.
_VERSIONS = {"System": 0, "Timestamp": 0, "Balances": 1, "TransactionPayment": 0, "Sudo": 0, "Utility": 0, "DatDot": 2}
_MULTIPLIER_VERSION = b"\x01"
_PLACEHOLDER = b"\x45" * 32


class GenesisError(ValueError):
    """A configuration from which no state can be built. The message says why."""


def presets() -> list[str]:
    """Return the names of the presets."""
    return ["development", "production"]


def default() -> dict[str, Any]:
    """Return the configuration that a preset patches."""
    return {
        "system": {},
        "balances": {"balances": [], "devAccounts": None},
        "transactionPayment": {"multiplier": str(payment.ONE)},
        "sudo": {"key": None},
        "datDot": {"times": _PRODUCTION, "amounts": _AMOUNTS},
    }


def preset(name: str | None) -> bytes | None:
    """Return a preset's JSON as the runtime writes it, or None for an unknown name."""
    if name is None:
        return json.dumps(default(), separators=(",", ":")).encode()
    if name == "production":
        patch: dict[str, Any] = {"datDot": {"times": _PRODUCTION, "amounts": _AMOUNTS}}
    elif name == "development":
        patch = {
            "balances": {"balances": [[ss58.encode(key, 42), ENDOWMENT] for key in DEVELOPERS]},
            "sudo": {"key": ss58.encode(DEVELOPERS[0], 42)},
            "datDot": {"times": _DEVELOPMENT, "amounts": _AMOUNTS},
        }
    else:
        return None
    return json.dumps(patch, sort_keys=True, separators=(",", ":")).encode()


def _read(data: bytes) -> dict[str, Any]:
    """Parse a configuration. Raises GenesisError unless it has exactly the fields of the default one."""
    try:
        config = json.loads(data)
    except ValueError as error:
        raise GenesisError(f"Invalid JSON blob: {error}") from error
    wanted = default()
    if not isinstance(config, dict):
        raise GenesisError("Invalid JSON blob: not an object")
    for one in config:
        if one not in wanted:
            raise GenesisError(f"Invalid JSON blob: unknown field `{one}`")
    for one, fields in wanted.items():
        if not isinstance(config.get(one), dict):
            raise GenesisError(f"Invalid JSON blob: missing field `{one}`")
        unlike = set(config[one]) ^ set(fields)
        if unlike:
            raise GenesisError(f"Invalid JSON blob: missing or unknown field `{one}.{min(unlike)}`")
    return config


def _account(text: Any) -> bytes:
    try:
        return ss58.decode(text)
    except (ss58.AddressError, TypeError) as error:
        raise GenesisError(f"Invalid JSON blob: {text!r}: {error}") from error


def _endow(s: State, config: dict[str, Any]) -> None:
    if config["devAccounts"] is not None:
        raise GenesisError("balances.devAccounts: name the accounts in balances.balances")
    entries = [(_account(who), int(amount)) for who, amount in config["balances"]]
    if len({who for who, _ in entries}) != len(entries):
        raise GenesisError("duplicate balances in genesis.")
    if any(amount < EXISTENTIAL_DEPOSIT for _, amount in entries):
        raise GenesisError("the balance of any account should always be at least the existential deposit.")
    for who, amount in entries:
        data = system.AccountData(free=amount)
        system.Account.put(s, who, system.AccountInfo(providers=1, data=data))
    balances.TotalIssuance.put(s, sum(amount for _, amount in entries))


def build(s: State, data: bytes) -> None:
    """Build the state of a configuration. Raises GenesisError."""
    config = _read(data)
    for name, version in _VERSIONS.items():
        s.put(twox(name.encode(), 128) + twox(b":__STORAGE_VERSION__:", 128), version.to_bytes(2, "little"))
    system.BlockHash.put(s, 0, _PLACEHOLDER)
    system.ParentHash.put(s, _PLACEHOLDER)
    upgrade = COMPACT.encode(SPEC_VERSION) + COMPACT.encode(len(SPEC_NAME)) + SPEC_NAME
    s.put(system.LastRuntimeUpgrade.key, upgrade)
    for flag in (b"UpgradedToU32RefCount", b"UpgradedToTripleRefCount"):
        s.put(twox(b"System", 128) + twox(flag, 128), b"\x01")
    s.put(system.EXTRINSIC_INDEX, bytes(4))
    _endow(s, config["balances"])
    payment.NextFeeMultiplier.put(s, int(config["transactionPayment"]["multiplier"]))
    s.put(twox(b"TransactionPayment", 128) + twox(b"StorageVersion", 128), _MULTIPLIER_VERSION)
    if config["sudo"]["key"] is not None:
        sudo.Key.put(s, _account(config["sudo"]["key"]))
    try:
        pallet.build_genesis(s, config["datDot"])
    except ValueError as error:
        raise GenesisError(f"Invalid JSON blob: {error}") from error
