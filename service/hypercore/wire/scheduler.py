"""The scheduler of a download: which peer to ask for what of a core's head and blocks, without input or output.

Its shell attaches peers, passes on what they send (`peer.py`), calls `pump` after each change, and stores what
`answered` returns. Every block is requested from one peer at a time, at most WINDOW_BLOCKS from each peer: lowest first, and
where some peers have only parts, first what the fewest have (`order.py`).
A block that one peer refuses goes to the others. While a peer answers nothing for OVERDUE_SECONDS, the others are asked for
its blocks as well, and the first answer counts. The same goes for a block that was asked for so long ago, once another peer
has nothing else to do.
"""

from __future__ import annotations

from itertools import islice
from typing import Protocol

from ..codec import MAX_UINT
from ..heads import Appended, Available, Change, Truncated
from ..tree.proof import BlockRequest, Proof, ProofError, Request, UpgradeRequest
from . import messages as m
from .answers import BlockAnswer, UpgradeAnswer, check_upgrade, has_unasked, is_bare
from .order import Download
from .peer import Answered, PeerState
from .promised import Promised, Tree
from .push import Pushers

WINDOW_BLOCKS = 64
"""Requests in flight to one peer."""
OVERDUE_SECONDS = 4.0
"""Time without any answer after which a peer's requests are sent to another one too, if there is one."""
PLAN_SECONDS_PER_RUN = 0.0005
"""Time between two plans of the order, for each run of blocks that the first had to look at."""
MAX_DENIED = 32
"""Lengths in a row that a peer may announce without showing them."""
WAITED_DENIED = 2
"""The same, after which nobody waits for its next one who has another peer's: one may go by honestly, by a truncation."""


class CoreBlocks(Tree, Protocol):
    """The part of a core that decides what to request."""

    @property
    def fork(self) -> int:
        """The core's fork."""
        ...

    @property
    def length(self) -> int:
        """The core's length in blocks."""
        ...

    @property
    def writable(self) -> bool:
        """Whether the core is ours to append to: no peer has a longer one."""
        ...

    @property
    def knows_signers(self) -> bool:
        """Whether the key or the manifest tells who signs."""
        ...

    def has(self, index: int) -> bool:
        """Return whether the block is available here."""
        ...

    def ranges(self, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
        """Return the runs of available blocks in [start, end)."""
        ...


class Scheduler:
    """The peers, downloads and outstanding requests of one core."""

    def __init__(self, core: CoreBlocks, live: bool = False, through: int = 0, push_only: bool = False) -> None:
        """Prepare a scheduler. `live`: fetch every block as the core grows; `push_only`: ask for nothing.

        Both together: ask for what the peers' pushes leave out (`push.Pushers`).

        `through` is a length whose roots are wanted on the way to a longer head. Peers show the roots of their head only;
        those of a shorter one, and the nodes between the two, come if the upgrade is asked for up to that length: what
        is beyond it then comes as additional nodes.
        """
        self._core, self._through, self._push_only = core, through, push_only and not live
        self._pushers, self._promised = Pushers(live and push_only), Promised(core)
        self.peers: dict[PeerState, float] = {}
        """The peers, and since when each is used."""
        self.downloads = [Download(0, MAX_UINT, MAX_UINT)] if live else []
        self.blocks: dict[int, tuple[PeerState, int]] = {}
        """The peer and the request number of each block that is being fetched."""
        self._second: dict[int, tuple[PeerState, int]] = {}
        """The same of blocks that are asked of another peer as well, because theirs is overdue."""
        self._asked_at: dict[int, float] = {}
        """The time at which each of `blocks` was first asked for."""
        self._pumped = 0.0
        self._plan_from = 0.0
        self._stale = True
        """Whether what peers have, or what is wanted, changed since the order was planned."""
        self._upgrade: tuple[PeerState, int, m.Sync] | None = None
        self._silent: set[PeerState] = set()
        """Peers that were overdue, and have answered nothing since."""
        self._refused: dict[PeerState, set[int]] = {}
        self._not_shown: dict[PeerState, m.Sync] = {}
        self._denied: dict[PeerState, int] = {}

    @property
    def idle(self) -> bool:
        """Whether no request is outstanding."""
        return not self.blocks and self._upgrade is None

    # ---- peers

    def attach(self, peer: PeerState, now: float) -> None:
        """Use this peer as well."""
        self.peers[peer] = now
        self._refused[peer] = set()
        self._pushers.attach(peer, now)
        peer.start_asking(now)

    def changed(self, peer: PeerState, block: int | None, now: float) -> None:
        """Look again at the peer's blocks from `block` on, or, for None, at its head."""
        self._pushers.news(peer, now)
        if block is None:
            return
        self._refused[peer] = {one for one in self._refused[peer] if one < block}
        self._stale = True
        for wanted in self.downloads:
            wanted.rewind(peer, block)

    def left(self, peer: PeerState) -> None:
        """Forget a peer that is gone. Its outstanding requests go to the others."""
        self.peers.pop(peer, None)
        self._refused.pop(peer, None)
        self._not_shown.pop(peer, None)
        self._denied.pop(peer, None)
        self._silent.discard(peer)
        self._pushers.left(peer)
        self._promised.broken(peer)
        self._stale = True
        if self._upgrade is not None and self._upgrade[0] is peer:
            self._upgrade = None
        for block in [block for block, (owner, _) in self._second.items() if owner is peer]:
            del self._second[block]
        for block in [block for block, (owner, _) in self.blocks.items() if owner is peer]:
            self.give_back(block)
        for wanted in self.downloads:
            wanted.at.pop(peer, None)

    def close(self) -> None:
        """Cancel all requests."""
        for peer in self.peers:
            peer.stop_asking()
        self.peers.clear()
        self._forget_requests()

    def _forget_requests(self) -> None:
        self.blocks.clear()
        self._second.clear()
        self._asked_at.clear()

    # ---- downloads

    def want(self, start: int, end: int) -> Download:
        """Request blocks [start, end), until `unwant`."""
        wanted = Download(start, end, self._missing(start, end))
        self.downloads.append(wanted)
        self._stale = True
        return wanted

    def unwant(self, wanted: Download) -> None:
        """Stop requesting the blocks of a download."""
        self.downloads.remove(wanted)

    def _missing(self, start: int, end: int) -> int:
        return end - start - sum(b - a for a, b in self._core.ranges(start, end))

    def lacking(self, wanted: Download) -> str:
        """Return which blocks of a download are missing, in words: the first of them, and how many."""
        first, end = wanted.start, min(wanted.end, self._core.length)
        for start, stop in self._core.ranges(wanted.start, end):
            if start > first:
                break
            first = stop
        total, missing = end - wanted.start, self._missing(wanted.start, end)
        if missing == total > 1:
            return f"blocks {wanted.start} to {end}"
        return f"block {first}" if missing <= 1 else f"block {first}; {missing} of {total} are missing"

    def hopeless(self, wanted: Download) -> list[int]:
        """Return the blocks that every peer has refused. None of them will be requested again."""
        refused = set.intersection(*self._refused.values()) if self._refused else set()
        return sorted(block for block in refused if wanted.start <= block < wanted.end and not self._core.has(block))

    def up_to_date(self) -> bool:
        """Return whether some peer announced its head, and the core is as long as every peer's.

        Who did not announce one for OVERDUE_SECONDS is not waited for. Nor is who announced a longer one and does not show
        it, once that of another peer is here: a peer could else hold everybody up until it is dropped, one after the other.
        """
        if not any(peer.synced for peer in self.peers):
            return False
        ahead = {peer for peer in self.peers if peer.synced and self._is_ahead(peer)}
        reached = self._core.length > 0 and any(
            peer.synced and peer.remote.length > 0 and peer not in ahead for peer in self.peers
        )
        late = any(self._tells_by(peer) > self._pumped for peer in self.peers)
        return not late and all(reached and self._only_tells(peer) for peer in ahead)

    def _only_tells(self, peer: PeerState) -> bool:
        """Return whether a peer is silent, or refuses, when it is asked for the head that it announced."""
        return peer in self._silent or self._denied.get(peer, 0) >= WAITED_DENIED

    def core_changed(self, change: Change) -> bool:
        """Note a change of the core. Return True if blocks were dropped, so that `pump` has more to request."""
        self._stale = self._stale or not isinstance(change, Available)
        for wanted in self.downloads:
            if isinstance(change, Available):
                wanted.left -= max(0, min(change.end, wanted.end) - max(change.start, wanted.start))
            elif not isinstance(change, Appended):
                wanted.begin_anew()
                wanted.left = self._missing(wanted.start, min(wanted.end, max(self._core.length, wanted.start)))
        if not isinstance(change, Available | Appended):
            self._promised.clear()
        if isinstance(change, Truncated):
            self._forget_requests()  # they belong to another tree
            self._pushers.truncated(change.length)
        return bool(self.downloads) and not isinstance(change, Available | Appended)

    # ---- answers

    def answered(self, peer: PeerState, answer: Answered) -> UpgradeAnswer | BlockAnswer | None:
        """Take an answer. Return what to store. Raises ProofError if it does not fit the request."""
        request = answer.request
        self._silent.discard(peer)
        if self._upgrade is not None and self._upgrade[:2] == (peer, answer.number):
            _, _, state = self._upgrade
            self._upgrade = None
            if answer.proof is None or is_bare(answer.proof):
                if request.upgrade is not None and request.upgrade.start + request.upgrade.length < state.length:
                    self._through = 0  # this peer's core itself came past that length: its whole head is asked for now
                else:
                    self._deny(peer, state)
                return None
            assert request.upgrade is not None
            return check_upgrade(UpgradeAnswer(request.upgrade, state.fork, answer.proof))
        if request.block is None:
            return None
        return self._block_answered(request.block.index, (peer, answer.number), answer.proof)

    def _block_answered(self, index: int, asked: tuple[PeerState, int], found: Proof | None) -> BlockAnswer | None:
        first, second = self.blocks.get(index), self._second.get(index)
        if asked not in (first, second):
            return None
        if found is None:
            self._promised.broken(asked[0])
            self._refused[asked[0]].add(index)
            if asked == first:
                self.give_back(index)
            else:
                del self._second[index]
            return None
        if found.block is None or found.block.index != index or found.upgrade or has_unasked(found):
            raise ProofError(f"the request was for block {index}, but the answer has another")
        del self.blocks[index], self._asked_at[index]
        self._second.pop(index, None)
        for other in (first, second):
            if other is not None and other != asked:
                self._take_back(*other)
        return BlockAnswer(index, found, self._promised.answered(index))

    def uncheckable(self, block: int) -> None:
        """Ask for a block again, with its whole path: it leaned on an answer that did not come."""
        self._promised.failed(block)
        self.give_back(block)

    def lost(self) -> None:
        """Let no request lean on answers that have come: they could not be stored."""
        self._promised.clear()

    def _take_back(self, peer: PeerState, number: int) -> None:
        peer.cancel(number)
        self._promised.broken(peer)

    def pushed(self, peer: PeerState, index: int, used: bool, now: float) -> None:
        """Note a block that came unasked. If it was of use, the requests for it are taken back."""
        gap = self._pushers.pushed(peer, index, used, now)
        for wanted in self.downloads if gap < index else ():
            wanted.rewind(peer, gap)
        if not used:
            return
        self._asked_at.pop(index, None)
        for asked in (self.blocks.pop(index, None), self._second.pop(index, None)):
            if asked is not None:
                self._take_back(*asked)

    def ask_no_more(self) -> None:
        """Ask for nothing from now on."""
        self._push_only = True

    def _deny(self, peer: PeerState, state: m.Sync) -> None:
        """Count a head that was announced and not shown: a peer could announce longer ones for ever."""
        self._not_shown[peer] = state
        self._denied[peer] = self._denied.get(peer, 0) + 1
        if self._denied[peer] > MAX_DENIED:
            raise ProofError(f"the peer announced {MAX_DENIED} lengths in a row without showing them")

    def shown(self, peer: PeerState) -> None:
        """Note that the peer's head was stored."""
        self._denied.pop(peer, None)

    def give_back(self, block: int) -> None:
        """Let a block be requested again, from any peer that did not refuse it, unless another was asked already."""
        self.blocks.pop(block, None)
        second = self._second.pop(block, None)
        if second is not None:
            self.blocks[block] = second
            return
        self._asked_at.pop(block, None)
        for wanted in self.downloads:
            for peer in wanted.at:
                wanted.rewind(peer, block)

    # ---- asking

    def pump(self, now: float) -> None:
        """Queue all requests that may be sent now in the peers' outboxes."""
        self._look_again(self._pushers.fell_quiet(self._pumped, now))
        self._pumped = now
        ready = [peer for peer in self.peers if peer.opened and peer.synced and not peer.closed]
        # the sum, as in `deadline`: a difference can round to less at that very time, and the timer would run in circles
        self._silent.update(peer for peer in ready if peer.asked and peer.heard + OVERDUE_SECONDS <= now)
        late = self._silent.intersection(ready)
        if self._upgrade is not None and self._upgrade[0] in late:
            self._leave_late_upgrade([peer for peer in ready if peer not in late])
        self._plan(ready, now)
        for peer in sorted(ready, key=lambda peer: peer in late):
            self._ask_upgrade(peer, now)
            self._ask_blocks(peer, now, 1 if peer in late else WINDOW_BLOCKS)
            if peer not in late:
                self._ask_late(peer, late, now)

    def _look_again(self, peers: list[PeerState]) -> None:
        """Let peers be asked for what was passed over, because they were still to push it."""
        for peer in peers:
            self._stale = True
            for wanted in self.downloads:
                if len(wanted.order.runs) > 1:  # else its place is kept
                    wanted.at.pop(peer, None)

    def _plan(self, ready: list[PeerState], now: float) -> None:
        """Choose the order of what is wanted anew, if it may be another one, and not too soon after the last time."""
        if not self._stale or now < self._plan_from or not self.downloads:
            return
        self._stale, looked = False, 0
        has = [peer.has for peer in ready if peer.remote.fork == self._core.fork]
        for wanted in self.downloads:
            looked += wanted.plan(self._core, self._core.length, has)
            self._stale = self._stale or wanted.partial
        self.downloads.sort(key=lambda wanted: wanted.order.rarity)
        self._plan_from = now + looked * PLAN_SECONDS_PER_RUN

    def deadline(self) -> float | None:
        """Return when `pump` must be called because something becomes overdue, or None while there is no other peer.

        A peer that may still push what is missing is waited for, too.
        """
        quiet = self._pushers.deadline(self._pumped)
        if len(self.peers) < 2:
            return quiet
        waiting = [] if quiet is None else [quiet]
        waiting += [peer.heard + OVERDUE_SECONDS for peer in self.peers if peer.asked and peer not in self._silent]
        waiting += [at for peer in self.peers if (at := self._tells_by(peer)) > self._pumped]
        # in the order in which they were asked for: what is overdue already goes to a peer as soon as it has room
        overdue = (at + OVERDUE_SECONDS for at in self._asked_at.values())
        return min([*waiting, *islice((at for at in overdue if at > self._pumped), 1)], default=None)

    def _tells_by(self, peer: PeerState) -> float:
        """Return until when a peer's head is waited for."""
        return 0.0 if peer.synced else self.peers[peer] + OVERDUE_SECONDS

    def _leave_late_upgrade(self, others: list[PeerState]) -> None:
        """Take an overdue request for a head back, if another peer can be asked."""
        assert self._upgrade is not None
        if any(self._is_ahead(peer) for peer in others):
            peer, number, _ = self._upgrade
            peer.cancel(number)
            self._upgrade = None

    def _ask_late(self, peer: PeerState, late: set[PeerState], now: float) -> None:
        """Ask a peer for the blocks that others do not answer."""
        for block, asked_at in list(self._asked_at.items()):
            if len(peer.asked) >= WINDOW_BLOCKS or not peer.writable or peer.remote.fork != self._core.fork:
                return
            if not late and asked_at + OVERDUE_SECONDS > now:
                return  # the others were asked for later
            owner, second = self.blocks[block][0], self._second.get(block)
            overdue = owner in late or (owner is not peer and asked_at + OVERDUE_SECONDS <= now)
            if overdue and (second is None or second[0] in late) and block not in self._refused[peer]:
                if peer.has.next(block) != block:
                    peer.want(block)
                    continue
                if second is not None:
                    self._take_back(*second)
                self._second[block] = (peer, self._ask_block(peer, block, now))

    def _ask_block(self, peer: PeerState, block: int, now: float) -> int:
        return peer.ask(Request(BlockRequest(block, self._promised.levels(peer, block))), self._core.fork, now)

    def _is_ahead(self, peer: PeerState) -> bool:
        core, remote = self._core, peer.remote
        if self._push_only or remote.length == 0 or self._not_shown.get(peer) == remote:
            return False
        if remote.fork > core.fork:
            return True  # npm peers do not announce CAN_UPGRADE to a peer that is at another fork
        if not remote.flags & m.CAN_UPGRADE:
            return False
        return core.length == 0 or (remote.fork == core.fork and remote.length > core.length)

    def _ask_upgrade(self, peer: PeerState, now: float) -> None:
        core, remote = self._core, peer.remote
        if self._upgrade is not None or core.writable or not self._is_ahead(peer):
            return
        if self._pushers.passed(peer, now) <= core.length:
            return  # it may be about to push the head with a block
        start = core.length if remote.fork == core.fork else 0
        manifest = not core.knows_signers and bool(remote.flags & m.HAS_MANIFEST)
        end = self._through if start < self._through < remote.length else remote.length
        request = Request(upgrade=UpgradeRequest(start, end - start), manifest=manifest)
        self._upgrade = (peer, peer.ask(request, remote.fork, now), remote)

    def _ask_blocks(self, peer: PeerState, now: float, window: int) -> None:
        if peer.remote.fork != self._core.fork or not peer.writable or self._push_only:
            return
        length = min(self._core.length, self._pushers.passed(peer, now))
        for wanted in self.downloads:
            while len(peer.asked) < window:
                block = self._next(peer, wanted, length)
                if block is None:
                    break
                self.blocks[block] = (peer, self._ask_block(peer, block, now))
                self._asked_at[block] = now

    def _next(self, peer: PeerState, wanted: Download, length: int) -> int | None:
        runs = wanted.order.runs
        rank, block = wanted.at.get(peer, wanted.order.begin)
        found = None
        while rank < len(runs):
            end = min(runs[rank][1], wanted.end, length)
            found, block = self._next_of(peer, block, end)
            # the last run grows with the core: its place is kept
            if found is not None or rank + 1 == len(runs):
                break
            rank, block = rank + 1, runs[rank + 1][0]
        wanted.at[peer] = rank, block
        return found

    def _next_of(self, peer: PeerState, block: int, end: int) -> tuple[int | None, int]:
        """Return the first of blocks [block, end) to request from a peer, if there is one, and where to go on."""
        core, refused = self._core, self._refused[peer]
        while block < end:
            known = peer.has.next(block)
            if known is None or known >= end:
                self._want(peer, block, end)
                break
            if known > block:
                self._want(peer, block, known)  # it may have more there than it announced
            block = known
            if not (core.has(block) or block in self.blocks or block in refused):
                return block, block + 1
            block += 1
        return None, block

    def _want(self, peer: PeerState, block: int, end: int) -> None:
        while block < end and (self._core.has(block) or block in self.blocks):
            block += 1
        if block < end:
            peer.want(block)
