"""What was looked at on the home page, one line each, worst first. Pure."""

from __future__ import annotations

from service.disk import shown_size
from service.units import decimal

from .detail import NodeCheck, Pulse
from .objects import NodeStatus, ReachState
from .words import Level

ORDER = {"bad": 0, "err": 1, "warn": 2, "half": 3, "wait": 4, "good": 5}
STEPS = {1: ("warn", "Overdue"), 2: ("err", "No new copies"), 3: ("bad", "Evicted")}
LEAST_FREE = 10**10
"""Free money below which some calls more may not be paid: 0.01 UNIT."""


def checks_of(status: NodeStatus, pulse: Pulse, window: int) -> list[NodeCheck]:
    """Return the lines. `window` is for how many blocks a storage challenge waits."""
    found = [_chain(pulse), *_roles(status)]
    if status.hosting is not None:
        found.append(_proofs(status, window))
    found += [_disk(status), _money(status), _reach(status.reach)]
    if pulse.stale:  # nothing that was read long ago is said to be well
        found = [one if one.state != "good" else NodeCheck(one.name, "wait", "Was so", one.text) for one in found]
    return sorted(found, key=lambda one: ORDER[one.state])


def _chain(pulse: Pulse) -> NodeCheck:
    if pulse.stale:
        text = f"No finalized block came for {pulse.age_seconds:.0f} s: look at the chain's node, or the way to it."
        return NodeCheck("Chain", "bad", "Away", text)
    return NodeCheck("Chain", "good", "In step", "Finalized blocks come one after the other.")


def _roles(status: NodeStatus) -> list[NodeCheck]:
    found = []
    for one in status.roles:
        why = f"{one.why[:1].upper()}{one.why[1:]}."
        word = ("good", "Ready") if one.ready else ("warn", "Not ready")
        found.append(NodeCheck(one.role.capitalize(), *word, why))
    return found


def _proofs(status: NodeStatus, window: int) -> NodeCheck:
    hosting = status.hosting
    assert hosting is not None
    answered = f"{hosting.passed} were answered, {hosting.missed} missed."
    if hosting.step in STEPS:
        state, word = STEPS[hosting.step]
        return NodeCheck("Proofs", state, word, f"A storage challenge was not answered in time. {answered}")
    if hosting.challenged is not None:
        due = hosting.challenged + window
        return NodeCheck(
            "Proofs", "half", "Due", f"Asked for in block {hosting.challenged}, due by block {due}. {answered}"
        )
    return NodeCheck("Proofs", "good", "In time", f"None is due. {answered}")


def _disk(status: NodeStatus) -> NodeCheck:
    disk = status.disk
    if disk.free is None:
        return NodeCheck("Disk", "wait", "Not known", "Nobody can tell how much room the disk has.")
    text = f"{shown_size(disk.free)} free, of which {shown_size(disk.reserve)} stay in reserve."
    if disk.free < disk.reserve:
        return NodeCheck("Disk", "bad", "Full", f"{text} Make room: new copies are declined until then.")
    return NodeCheck("Disk", "good", "Room left", text)


def _money(status: NodeStatus) -> NodeCheck:
    text = f"{decimal(status.free)} UNIT free, {decimal(status.held)} UNIT held."
    if status.operator is not None:
        text = f"{text} Its operator, who pays the fees, can spend {decimal(status.operator_spendable)} UNIT."
        if status.operator_spendable < LEAST_FREE:
            return NodeCheck("Money", "warn", "Too little", f"{text} Send some to {status.operator}: calls cost fees.")
    elif status.free < LEAST_FREE:
        return NodeCheck("Money", "warn", "Too little", f"{text} Send some to this account: calls cost fees.")
    return NodeCheck("Money", "good", "Enough", text)


def _reach(found: ReachState) -> NodeCheck:
    text = f"{found.text[:1].upper()}{found.text[1:]}."
    if found.level is Level.NOTE:
        return NodeCheck("Reach", "good", "From outside", text)
    return NodeCheck("Reach", "warn", "Look at it", f"{text} What to do: {found.remedy}.")
