"""What a node of the DHT keeps for others: who announced itself where, and records. All of it is bounded, and ends by itself."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ...codec import Reader
from ...crypto import blake2b
from .address import Address
from .messages import (
    MAX_PEERS,
    Announcement,
    Command,
    FoundPeer,
    MutableRecord,
    PeerError,
    announced_by_peer,
    encode_peers,
)
from .rpc import DhtRequest

PEER_SECONDS, RECORD_SECONDS = 20 * 60.0, 48 * 3600.0
MAX_ANNOUNCED, MAX_RECORDS, MAX_REFRESHES = 65_536, 16_384, 65_536
MAX_RECORD_BYTES = 1024
MAX_ANNOUNCED_AT_ONE = 512
"""Peers kept of one target: one that is popular does not push all others out."""
SHARE_OF_HOST = 1 / 8
"""Of all places of a kind, and of those of one target, what one host may take: with more it pushes out its own oldest."""
KEPT_RELAYS = 3
BUMP_SECONDS = 60.0
"""By how much the time of an announcement may be in the future, and still be told to others: clocks differ."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Values that are forgotten after some time, or before when there are too many: the one that was put first goes.

    A value has a `host`, the first one that put it. Of a host that takes more than its share its own first one goes.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._values: OrderedDict[Key, tuple[float, Value, str]] = OrderedDict()
        self._of_host: dict[str, OrderedDict[Key, None]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def put(self, key: Key, value: Value, now: float, host: str = "") -> list[Key]:
        """Keep a value, from now on. Return the keys that were forgotten."""
        known = self._take_out(key)
        host = known[2] if known is not None else host  # who puts what others have put does not get to push it out
        self._values[key] = now + self._seconds, value, host
        own = self._of_host.setdefault(host, OrderedDict())
        own[key] = None
        gone = self.forget(now)
        if host and len(own) > max(1, int(self._most * SHARE_OF_HOST)):
            gone.append(self._first_goes(own))
        while len(self._values) > self._most:
            gone.append(self._first_goes(self._values))
        return gone

    def _first_goes(self, of: Iterable[Key]) -> Key:
        key = next(iter(of))
        self._take_out(key)
        return key

    def _take_out(self, key: Key) -> tuple[float, Value, str] | None:
        found = self._values.pop(key, None)
        if found is not None:
            own = self._of_host[found[2]]
            del own[key]
            if not own:
                del self._of_host[found[2]]
        return found

    def get(self, key: Key, now: float) -> Value | None:
        """Return a value that is kept."""
        found = self._values.get(key)
        return None if found is None or found[0] <= now else found[1]

    def drop(self, key: Key) -> Value | None:
        """Forget a value, and return it."""
        found = self._take_out(key)
        return None if found is None else found[1]

    def forget(self, now: float) -> list[Key]:
        """Forget what is over. Return the keys."""
        gone = []
        while self._values and next(iter(self._values.values()))[0] <= now:
            gone.append(self._first_goes(self._values))
        return gone


class Announced:
    """The peers that announced themselves, by target."""

    def __init__(self) -> None:
        self._peers: Kept[tuple[bytes, bytes], FoundPeer] = Kept(MAX_ANNOUNCED, PEER_SECONDS)
        self._keys: dict[bytes, dict[bytes, str]] = {}
        """The keys of each target, and the hosts from which they were announced."""

    def __len__(self) -> int:
        return len(self._peers)

    def put(self, target: bytes, peer: FoundPeer, now: float, host: str = "") -> None:
        """Keep a peer. Of one target that has too many, in all or of one host, the oldest goes, else the oldest of all."""
        keys = self._keys.setdefault(target, {})
        host = keys.pop(peer.key, host)
        keys[peer.key] = host
        own = [key for key, of in keys.items() if of == host]
        if host and len(own) > MAX_ANNOUNCED_AT_ONE * SHARE_OF_HOST:
            self.drop(target, own[0])
        if len(keys) > MAX_ANNOUNCED_AT_ONE:
            self.drop(target, next(iter(keys)))
        for gone, key in self._peers.put((target, peer.key), peer, now, host):
            self._unlist(gone, key)

    def drop(self, target: bytes, key: bytes) -> None:
        """Forget a peer."""
        self._peers.drop((target, key))
        self._unlist(target, key)

    def _unlist(self, target: bytes, key: bytes) -> None:
        keys = self._keys.get(target, {})
        keys.pop(key, None)
        if not keys:
            self._keys.pop(target, None)

    def of(self, target: bytes, now: float) -> list[FoundPeer]:
        """Return the peers of a target."""
        for gone, key in self._peers.forget(now):
            self._unlist(gone, key)
        found = (self._peers.get((target, key), now) for key in self._keys.get(target, ()))
        return [one for one in found if one is not None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a command. `closer` and `token`: whether the reply has nearer nodes, and a token."""

    value: bytes | None = None
    error: int = 0
    closer: bool = True
    token: bool = True


class Records:
    """The commands of hyperdht that store and find."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._announced = Announced()
        self._routes: Kept[bytes, tuple[FoundPeer, Address]] = Kept(MAX_ANNOUNCED, PEER_SECONDS)
        self._refreshes: Kept[bytes, tuple[bytes, FoundPeer]] = Kept(MAX_REFRESHES, PEER_SECONDS)
        self._bumps: Kept[bytes, int] = Kept(MAX_ANNOUNCED, PEER_SECONDS)
        self._mutable: Kept[bytes, MutableRecord] = Kept(MAX_RECORDS, RECORD_SECONDS)
        self._immutable: Kept[bytes, bytes] = Kept(MAX_RECORDS, RECORD_SECONDS)

    def route(self, target: bytes, now: float) -> Address | None:
        """Return where the peer is reached whose key has this hash: it announced itself here, and its messages are passed on."""
        found = self._routes.get(target, now)
        return None if found is None else found[1]

    def handle(
        self, request: DhtRequest, sender: Address, own: bytes, good: bool, now: float, now_ms: int
    ) -> Outcome | None:
        """Do what a request asks. Return None if it is no answerable one: it is dropped.

        `own` is this node's id, `good` says whether the request's token is, `now_ms` is the time of day, for `bump`.
        Raises CodecError if the request's value cannot be read.
        """
        target = request.target
        if target is None:
            return None
        match request.command:
            case Command.FIND_PEER:
                found = self._routes.get(target, now)
                return Outcome(None if found is None else found[0].encode())
            case Command.LOOKUP:
                return Outcome(self._lookup(target, now))
            case Command.MUTABLE_GET:
                return Outcome(self._mutable_of(request, now))
            case Command.IMMUTABLE_GET:
                return Outcome(self._immutable.get(target, now))
        if not good or request.value is None:
            return None
        match request.command:
            case Command.ANNOUNCE:
                return self._announce(request, target, sender, own, now, now_ms)
            case Command.UNANNOUNCE:
                return self._unannounce(request, target, own)
            case Command.MUTABLE_PUT:
                return self._put_mutable(request.value, target, sender.host, now)
            case Command.IMMUTABLE_PUT:
                if len(request.value) > MAX_RECORD_BYTES or blake2b(request.value) != target:
                    return None
                self._immutable.put(target, request.value, now, sender.host)
                return Outcome()
        return None

    # ---- peers

    def _lookup(self, target: bytes, now: float) -> bytes | None:
        peers = self._announced.of(target, now)
        if len(peers) > MAX_PEERS:
            peers = self._chance.sample(peers, MAX_PEERS)
        route = self._routes.get(target, now)
        if route is not None and len(peers) < MAX_PEERS:
            peers.append(route[0])
        return encode_peers(tuple(peers), self._bumps.get(target, now) or 0) if peers else None

    def _announce(
        self, request: DhtRequest, target: bytes, sender: Address, own: bytes, now: float, now_ms: int
    ) -> Outcome | None:
        assert request.value is not None
        told = Announcement.decode(request.value)
        peer = told.peer
        if peer is None:
            return self._refresh(told.refresh, target, sender, now)
        if not announced_by_peer(told, target, own, request.token or b""):
            return None
        peer = replace(peer, relays=peer.relays[:KEPT_RELAYS])
        if told.refresh is not None:
            self._refreshes.put(told.refresh, (target, peer), now, sender.host)
        if blake2b(peer.key) == target:
            self._routes.put(target, (peer, sender), now, sender.host)
        else:
            self._announced.put(target, peer, now, sender.host)
            if (self._bumps.get(target, now) or 0) < told.bump <= now_ms + 1000 * BUMP_SECONDS:
                self._bumps.put(target, told.bump, now, sender.host)
        return Outcome(closer=False, token=False)

    def _refresh(self, refresh: bytes | None, target: bytes, sender: Address, now: float) -> Outcome | None:
        """Renew what was announced: who shows what its hash was told of needs no signature. The next one is its own hash.

        Every node at which a peer does so learns what it shows, and can show it to others. So nothing comes back that the peer
        took away, and no messages are led elsewhere: what is not there, or was announced from another address, has to be signed.
        """
        known = self._refreshes.get(blake2b(refresh), now) if refresh is not None else None
        if refresh is None or known is None or known[0] != target:
            return None
        peer = known[1]
        if blake2b(peer.key) == target:
            if self._routes.get(target, now) != (peer, sender):
                return None
            self._routes.put(target, (peer, sender), now, sender.host)
        elif peer in self._announced.of(target, now):
            self._announced.put(target, peer, now, sender.host)
        else:
            return None
        self._refreshes.drop(blake2b(refresh))
        self._refreshes.put(refresh, known, now, sender.host)
        return Outcome(closer=False, token=False)

    def _unannounce(self, request: DhtRequest, target: bytes, own: bytes) -> Outcome | None:
        assert request.value is not None
        told = Announcement.decode(request.value)
        if told.peer is None or not announced_by_peer(told, target, own, request.token or b"", leaving=True):
            return None
        if blake2b(told.peer.key) == target:
            self._routes.drop(target)
        self._announced.drop(target, told.peer.key)
        return Outcome(closer=False, token=False)

    # ---- records

    def _mutable_of(self, request: DhtRequest, now: float) -> bytes | None:
        known = self._mutable.get(request.target or b"", now)
        if known is None or request.value is None:
            return None
        wanted = Reader(request.value).uint("seq")
        return known.encode_found() if known.seq >= wanted else None

    def _put_mutable(self, value: bytes, target: bytes, host: str, now: float) -> Outcome | None:
        record = MutableRecord.decode(value)
        if blake2b(record.key) != target or len(record.value) > MAX_RECORD_BYTES or not record.is_signed:
            return None
        known = self._mutable.get(target, now)
        if known is not None and record.seq <= known.seq:
            if record.seq == known.seq and record.value == known.value:
                return Outcome()
            return Outcome(error=PeerError.SEQ_REUSED if record.seq == known.seq else PeerError.SEQ_TOO_LOW)
        self._mutable.put(target, record, now, host)
        return Outcome()
