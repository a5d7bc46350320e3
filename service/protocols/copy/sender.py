"""The encoder's end of a copy connection as a pure machine: what may be sent, what came back, what is still due.

waiting ── State ──▶ sending ── Ack … ── SignedRoot of the whole segment ──▶ done
   └───── Refusal: PeerRefused;  any breach: CopyRefused ─────┘
"""

from __future__ import annotations

from dataclasses import dataclass

from service.encoding.profiles import SECTOR

from .job import SegmentJob, Sign, Verify
from .messages import WINDOW, Ack, Checkpoint, CopyRefusal, CopyRefused, Message, PeerRefused, SignedRoot, State


@dataclass(frozen=True, slots=True)
class Begin:
    """Send the head for a core of `core_length` blocks, then sectors from `sectors` on and blocks from `block` on."""

    sectors: int
    block: int
    offset: int
    core_length: int


@dataclass(frozen=True, slots=True)
class KeepReceipt:
    """Make the hoster's signature durable. `whole` says that it covers the segment."""

    receipt: SignedRoot
    whole: bool


class CopySender:
    """The sender's accounts for one connection to a hoster."""

    def __init__(self, job: SegmentJob, sign: Sign, verify: Verify, window: int = WINDOW) -> None:
        self._job, self._sign, self._verify = job, sign, verify
        self._window = window
        self._begun = False
        self._sent = 0
        self._acked = 0
        self._checkpoint: Checkpoint | None = None
        self.done = False

    @property
    def acked(self) -> int:
        """Sectors that the hoster has acknowledged as durable."""
        return self._acked

    def room(self) -> int:
        """Return the number of sectors that may be sent now within the window."""
        return max(0, self._window // SECTOR - (self._sent - self._acked))

    def sent(self, first: int, sectors: int) -> None:
        """Note that sectors [first, first + sectors) were sent."""
        if not self._begun or first != self._sent:
            raise RuntimeError(f"sector {first} was sent, expected {self._sent}")
        self._sent += sectors

    def checkpoint(self, sectors: int, root: bytes) -> Checkpoint:
        """Return the signed checkpoint to send. Only one at a time may wait for its receipt."""
        if self._checkpoint is not None:
            raise RuntimeError("the last checkpoint has no receipt yet")
        self._checkpoint = Checkpoint(sectors, root, self._sign(self._job.statement(sectors, root)))
        return self._checkpoint

    def receive_message(self, message: Message) -> Begin | KeepReceipt | None:
        """Take the hoster's next message. Raises PeerRefused with its reason, and CopyRefused for a breach."""
        if isinstance(message, CopyRefusal):
            raise PeerRefused(message.reason)
        if isinstance(message, State):
            return self._state(message)
        if not self._begun:
            raise CopyRefused(f"{type(message).__name__} came before the hoster's state")
        if isinstance(message, Ack):
            self._ack(message)
            return None
        if isinstance(message, SignedRoot):
            return self._receipt(message)
        raise CopyRefused(f"{type(message).__name__} is not a message that a hoster sends")

    def _state(self, state: State) -> Begin:
        if self._begun:
            raise CopyRefused("a second state on one connection")
        if state.segment != self._job.segment:
            raise CopyRefused(f"the hoster is at segment {state.segment}, but we are at {self._job.segment}")
        if state.sectors > self._job.sectors:
            raise CopyRefused(f"the hoster claims {state.sectors} of {self._job.sectors} sectors")
        reached = self._job.first_byte + min(state.sectors * SECTOR, self._job.length)
        if state.offset > reached:
            raise CopyRefused(f"the hoster's next block begins at {state.offset}, but it has only {reached} bytes")
        self._begun = True
        self._sent = self._acked = state.sectors
        return Begin(state.sectors, state.block, state.offset, state.core_length)

    def _ack(self, ack: Ack) -> None:
        if not self._acked <= ack.sectors <= min(self._sent, self._job.sectors):
            raise CopyRefused(
                f"{ack.sectors} sectors acknowledged, which is not between the {self._acked} before and the {self._sent} sent"
            )
        self._acked = ack.sectors

    def _receipt(self, receipt: SignedRoot) -> KeepReceipt:
        expected, self._checkpoint = self._checkpoint, None
        if expected is None:
            raise CopyRefused("a receipt that answers no checkpoint")
        if (receipt.sectors, receipt.root) != (expected.sectors, expected.root):
            raise CopyRefused(f"a receipt over {receipt.sectors} sectors for a checkpoint over {expected.sectors}")
        statement = self._job.statement(receipt.sectors, receipt.root)
        if not self._verify(self._job.hoster.statement_key, statement, receipt.signature):
            raise CopyRefused("the receipt is not signed by the hoster's statement key")
        self.done = receipt.sectors == self._job.sectors
        return KeepReceipt(receipt, self.done)
