"""One node of the DHT, and what it answers."""

from __future__ import annotations

import random
from typing import Any

from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import Command
from service.hypercore.swarm.dht.node import DhtNode
from service.hypercore.swarm.dht.requests import Asked, Requests, Via
from service.hypercore.swarm.dht.rpc import DhtReply, DhtRequest, Internal, decode

OWN = Address("44.10.0.1", 49737)
ASKER = Address("5.6.7.8", 99)
TARGET = bytes(range(32))


def node() -> DhtNode:
    return DhtNode([], 0.0, random.Random(1), OWN)


def ask(one: DhtNode, request: DhtRequest, sender: Address = ASKER, now: float = 0.0) -> DhtReply | None:
    """The reply to a request, if there is one."""
    assert one.take(request.encode(), sender, Via.SERVER, now)
    sent = [datagram for datagram in one.out if datagram.data[0] == 0x13]
    one.out.clear()
    if not sent:
        return None
    assert [(datagram.to, datagram.via) for datagram in sent] == [(sender, Via.SERVER)]
    reply = decode(sent[0].data, OWN)
    assert isinstance(reply, DhtReply)
    assert reply.tid == request.tid
    return reply


def token_of(one: DhtNode, sender: Address = ASKER, now: float = 0.0) -> bytes:
    reply = ask(one, DhtRequest(1, OWN, Command.LOOKUP, target=TARGET), sender, now)
    assert reply is not None
    assert reply.token is not None
    return reply.token


class Told:
    """What became of requests."""

    def __init__(self) -> None:
        self.replies: list[tuple[DhtReply, Address]] = []
        self.failures: list[float] = []

    def reply(self, reply: DhtReply, sender: Address, now: float) -> None:
        self.replies.append((reply, sender))

    def failure(self, now: float) -> None:
        self.failures.append(now)

    def ask(self, requests: Requests, now: float = 0.0, to: Address = ASKER, **more: Any) -> Asked:
        return requests.ask(DhtRequest(0, to, Internal.PING, True), Via.CLIENT, self.reply, self.failure, now, **more)
