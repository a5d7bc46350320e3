"""Targets of alerts: webhooks, e-mail, chats, as apprise names them by URLs. It is loaded only where there are targets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import structlog

from .book import Alert, Severity

log = structlog.get_logger(__name__)

SEND_SECONDS = 60.0
"""Within which a target must have taken a message."""
MISSING = (
    "alerts have targets, but apprise, which sends them, is not installed: pip install 'datdot-service[alerts]' "
    "(pipx inject datdot-service apprise), or leave the targets out"
)
_KINDS = {Severity.CRITICAL: "failure", Severity.ERROR: "failure", Severity.WARNING: "warning"}


class TargetError(Exception):
    """A target that cannot be used. The message says why, without its secrets."""


class AlertTarget(Protocol):
    """Somebody who is told."""

    name: str
    """What it is, without secrets."""

    async def send(self, title: str, body: str, kind: str) -> bool:
        """Send a message. Return whether it was taken. Raises nothing that a network does."""
        ...


class AppriseTarget:
    """A target that apprise knows."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self.name: str = found.url(privacy=True).partition("?")[0]

    async def send(self, title: str, body: str, kind: str) -> bool:
        """Send a message in a thread of apprise's. See AlertTarget."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return bool(await self._found.async_notify(title=title, body=body, notify_type=kind))
        except Exception as error:  # noqa: BLE001 - a target that fails is told, and ends no node; its words may hold secrets
            log.warning("a target of alerts failed", target=self.name, error=type(error).__name__)
            return False


def open_targets(urls: Sequence[str]) -> list[AppriseTarget]:
    """Return the targets of URLs. Raises TargetError."""
    if not urls:
        return []
    if find_spec("apprise") is None:
        raise TargetError(MISSING)
    import apprise  # some 100 ms, and an extra of the package

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines have URLs, and so secrets; ours say what failed
    found = []
    for place, url in enumerate(urls, 1):
        target = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if target is None:
            raise TargetError(
                f"alert target {place} ({url.partition('://')[0][:20]}://…) is none that apprise {apprise.__version__} knows: "
                "write json://HOST:PORT/PATH for a webhook, mailto://… for e-mail; its documents name the others"
            )
        found.append(AppriseTarget(target))
    return found


def message(alert: Alert, account: str) -> tuple[str, str, str]:
    """Return title, text and kind of the message about an alert, open or closed."""
    if alert.closed is not None:
        return f"datdot: over: {alert.category.value}", f"It is over: {alert.text}\naccount: {account}", "success"
    lines = [alert.text, f"why it matters: {alert.why}", f"what to do: {alert.remedy}"]
    lines += [f"since block: {alert.block}", f"account: {account}"]
    return f"datdot: {alert.severity.value}: {alert.category.value}", "\n".join(lines), _KINDS[alert.severity]
