"""A node's alerts, put together: the watch, its table in the node's database, and the sender with its targets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.operating.alerts.sending import AlertSender
from service.operating.alerts.table import AlertTable
from service.operating.alerts.targets import AppriseTarget, TargetError, open_targets
from service.operating.alerts.watch import AlertWatch, Watched
from service.operating.facts import NodeFacts
from service.roles.common.context import Context, OnProgress

from .journal import Journal
from .settings import NodeError, NodeSettings


def targets_of(settings: NodeSettings) -> list[AppriseTarget]:
    """Return the targets of a node's alerts. Raises NodeError."""
    try:
        return open_targets(settings.alert_targets)
    except TargetError as error:
        raise NodeError(str(error)) from error


@dataclass(slots=True)
class Tap:
    """What the roles tell of their progress, passed on to who listens and to the watch, which is made after them."""

    on_progress: OnProgress
    watch: AlertWatch | None = field(default=None)

    def __call__(self, event: dict[str, object]) -> None:
        """Pass an event on."""
        if self.watch is not None:
            self.watch.tell(event)
        self.on_progress(event)


@dataclass(slots=True)
class NodeAlerts:
    """The watch and the sender of a node."""

    watch: AlertWatch
    sender: AlertSender

    async def run(self) -> None:
        """Watch and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch.run())
            group.create_task(self.sender.run())


def node_alerts(context: Context, journal: Journal, facts: NodeFacts, tap: Tap, serves: bool) -> NodeAlerts:
    """Return the alerts of a node that is built. They have no targets yet: see `AlertSender.use`."""
    sender = AlertSender((), facts.address, lambda alert: watch.told(alert))
    watched = Watched(
        context.client, context.follower, facts, context.troubles, facts.roles, lambda: journal.waits_for, serves
    )
    watch = AlertWatch(watched, AlertTable(context.database), sender)
    tap.watch = watch
    return NodeAlerts(watch, sender)
