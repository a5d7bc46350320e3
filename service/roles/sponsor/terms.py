"""The terms of a plan, most of which few sponsors name."""

from __future__ import annotations

from collections.abc import Sequence

from service.chain_client.pallet.types import Terms

ANY_LATENCY = (1 << 32) - 1
"""The target of a plan that asks for no latency, in ms."""


def plan_terms(
    replicas: int,
    max_ask_disk: int,
    max_ask_encoding: int,
    max_ask_receiving: int,
    report_price: int,
    until: int,
    *,
    live: bool = False,
    min_reputation: int = 0,
    regions: Sequence[bytes] = (),
    max_latency_ms: int = ANY_LATENCY,
    min_kib_per_s: int = 0,
) -> Terms:
    """Return terms: prices in the smallest unit, `until` a block; what is not named asks for nothing."""
    return Terms(
        replicas=replicas,
        max_ask_disk=max_ask_disk,
        max_ask_encoding=max_ask_encoding,
        max_ask_receiving=max_ask_receiving,
        report_price=report_price,
        until=until,
        live=live,
        min_reputation=min_reputation,
        regions=tuple(regions),
        max_latency_ms=max_latency_ms,
        min_kib_per_s=min_kib_per_s,
    )
