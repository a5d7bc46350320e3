"""Passing on: a node hands handshakes and hole punches to the peers that announced themselves at it, and their answers back.

    client ──request, mode 0──> node ──request, mode 2──> server ──request, mode 1──> node ──reply, mode 4──> client

All four have one number (tid). Between the node that the client asked and the server there may be one more node: then the
first passes on in mode 2, the second in mode 3, and the server answers the second.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from ...codec import CodecError
from .address import Address
from .messages import Command, Mode, RelayedHandshake, RelayedPunch
from .requests import Port
from .rpc import DhtRequest

MAX_AWAITED = 8192
"""Messages that were passed on and whose answers are awaited. Those beyond, the oldest, may still be answered, within limits."""

Route = Callable[[bytes, float], "Address | None"]
PassOn = Callable[[DhtRequest, Address, Port, bytes], None]
"""Sends a request with the number of another one to an address."""
_ANSWERS: dict[int, Callable[[bytes], RelayedHandshake | RelayedPunch]] = {
    Command.PEER_HANDSHAKE: RelayedHandshake.decode,
    Command.PEER_HOLEPUNCH: RelayedPunch.decode,
}

Answer = Callable[[DhtRequest, Address, Port, "bytes | None", bool], None]
"""Replies to an address: with a value, and (last argument) with nearer nodes."""


class Relays:
    """What a node does with messages for others. `route` says where a peer is reached by its key's hash."""

    def __init__(self, route: Route, pass_on: PassOn, answer: Answer) -> None:
        self._route, self._pass_on, self._answer = route, pass_on, answer
        self._awaited: OrderedDict[tuple[str, int, Address], bool] = OrderedDict()
        """Whose answers are awaited: the server's host (it may answer from another port), the message's number and its client."""

    def is_awaited(self, request: DhtRequest, sender: Address) -> bool:
        """Return whether a request is the answer, the first one, to what was passed on to its sender."""
        read = _ANSWERS.get(request.command)
        if read is None or request.internal or request.value is None:
            return False
        try:
            told = read(request.value)
        except CodecError:
            return False
        if told.mode != Mode.FROM_SERVER or told.peer is None:
            return False
        return self._awaited.pop((sender.host, request.tid, told.peer), False)

    def _await(self, server: Address, request: DhtRequest, client: Address) -> None:
        self._awaited[(server.host, request.tid, client)] = True
        if len(self._awaited) > MAX_AWAITED:
            self._awaited.popitem(last=False)

    def take(self, request: DhtRequest, sender: Address, via: Port, now: float) -> bool:
        """Pass a request on. Return whether it is one of those that are."""
        if request.command not in (Command.PEER_HANDSHAKE, Command.PEER_HOLEPUNCH):
            return False
        if request.value is None or request.target is None:
            return True
        try:
            if request.command == Command.PEER_HANDSHAKE:
                self._handshake(request, RelayedHandshake.decode(request.value), request.target, sender, via, now)
            else:
                self._punch(request, RelayedPunch.decode(request.value), sender, via)
        except CodecError:
            pass  # what cannot be read is not passed on, and its sender is not told: it can be forged
        return True

    def _handshake(
        self, request: DhtRequest, told: RelayedHandshake, target: bytes, sender: Address, via: Port, now: float
    ) -> None:
        if told.mode == Mode.FROM_SERVER:
            if told.peer is not None:
                back = RelayedHandshake(Mode.REPLY, told.noise, sender)
                self._answer(request, told.peer, via, back.encode(), False)
            return
        if told.mode not in (Mode.FROM_CLIENT, Mode.FROM_RELAY):
            return
        server = self._route(target, now)
        if server is None:
            if told.mode == Mode.FROM_CLIENT:
                self._answer(request, sender, via, None, True)
            return
        if told.mode == Mode.FROM_CLIENT:
            on = RelayedHandshake(Mode.FROM_RELAY, told.noise, sender, told.relay)
            self._await(server, request, sender)
        else:
            on = RelayedHandshake(Mode.FROM_SECOND_RELAY, told.noise, told.peer, sender)
        self._pass_on(request, server, via, on.encode())

    def _punch(self, request: DhtRequest, told: RelayedPunch, sender: Address, via: Port) -> None:
        if told.peer is None:
            return
        if told.mode == Mode.FROM_CLIENT:
            on = RelayedPunch(Mode.FROM_RELAY, told.id, told.payload, sender)
            self._await(told.peer, request, sender)
            self._pass_on(request, told.peer, via, on.encode())
        elif told.mode == Mode.FROM_SERVER:
            back = RelayedPunch(Mode.REPLY, told.id, told.payload, sender)
            self._answer(request, told.peer, via, back.encode(), False)
