"""Whom a node of the DHT asks, how often, and whose replies count."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

from service.hypercore.swarm.dht.address import Address, node_id
from service.hypercore.swarm.dht.query import MAX_SEEN, Query
from service.hypercore.swarm.dht.requests import (
    MAX_WAITING,
    MOST_IN_BUCKET,
    Requests,
    SendingWindow,
)
from service.hypercore.swarm.dht.rpc import DhtReply, decode
from service.hypercore.swarm.dht.table import ROW_NODES
from tests.swarm.dht_one import ASKER, OWN, TARGET, Told


def test_a_request_is_sent_four_times() -> None:
    requests, told = Requests(random.Random(1)), Told()
    asked = told.ask(requests)
    assert requests.deadline() == 1.0
    for second in range(1, 5):
        assert told.failures == []
        assert asked.slow == (second > 1)
        requests.fire(float(second))
    assert told.failures == [4.0]
    assert len({sent.data for sent in requests.out}) == 1
    assert len(requests.out) == 4
    assert (len(requests), requests.deadline()) == (0, None)


def test_a_reply_counts_only_from_who_was_asked() -> None:
    requests, told = Requests(random.Random(1)), Told()
    tid = told.ask(requests).request.tid
    reply = DhtReply(tid, OWN)
    assert not requests.take(reply, Address(ASKER.host, 100), 0.5)
    assert not requests.take(replace(reply, tid=tid ^ 1), ASKER, 0.5)
    assert requests.take(reply, ASKER, 0.5)
    assert not requests.take(reply, ASKER, 0.5)
    assert told.replies == [(reply, ASKER)]
    told.ask(requests, any_port=True)
    again = decode(requests.out[-1].data, OWN).tid
    assert not requests.take(DhtReply(again, OWN), Address("8.8.8.8", 99), 0.5)
    assert requests.take(DhtReply(again, OWN), Address(ASKER.host, 4242), 0.5)


def test_who_knows_one_number_does_not_know_the_next() -> None:
    """A node that was asked could answer in the name of those that are asked after it: their addresses are no secret."""
    requests, told = Requests(random.Random(1)), Told()
    numbers = []
    for _ in range(200):
        numbers.append(told.ask(requests).request.tid)
        requests.take(DhtReply(numbers[-1], OWN), ASKER, 0.0)
    assert len(told.replies) == 200
    near = sum(1 <= (after - before) % 65_536 <= 100 for before, after in itertools.pairwise(numbers))
    assert near < 10
    assert len(set(numbers)) > 190


def test_no_two_requests_under_way_have_one_number() -> None:
    requests, told = Requests(random.Random(1)), Told()
    now = 0.0
    for _ in range(3):
        for _ in range(MOST_IN_BUCKET):
            told.ask(requests, now)
        now += 0.75
    assert len({decode(sent.data, OWN).tid for sent in requests.out}) == len(requests.out)


def test_a_request_that_nobody_waits_for_is_not_sent_again() -> None:
    requests, told = Requests(random.Random(1)), Told()
    requests.drop(told.ask(requests))
    requests.fire(10.0)
    assert (len(requests.out), told.failures, len(requests)) == (1, [], 0)


def test_never_too_many_at_once() -> None:
    requests, told = Requests(random.Random(1)), Told()
    for number in range(MAX_WAITING + MOST_IN_BUCKET + 5):
        told.ask(requests, to=Address("1.2.3.4", number + 1))
    assert len(requests.out) == MOST_IN_BUCKET
    assert told.failures == []
    requests.fire(0.0)
    assert told.failures == [0.0] * 5
    now, before = 0.0, 0
    for _ in range(40):
        at = requests.deadline()
        assert at is not None
        now = max(now, at)
        requests.fire(now)
        assert len(requests.out) - before <= 2 * MOST_IN_BUCKET
        before = len(requests.out)
    assert len(requests.out) <= (now / 3.0 + 1) * 160 + MOST_IN_BUCKET
    window = SendingWindow()
    assert sum(window.take(0.0) for _ in range(100)) == MOST_IN_BUCKET
    window.give_back(0.1)
    assert [window.take(0.2), window.take(0.2)] == [True, False]


def test_a_query_ends_though_nodes_name_ever_more() -> None:
    query = Query(TARGET, bytes(32), [], [Address("1.1.1.1", 1)])
    asked = 0
    chance = random.Random(1)
    while (address := query.next()) is not None:
        asked += 1
        closer = tuple(Address("1.1.1.2", chance.randrange(1, 65_536)) for _ in range(20))
        query.answered(address, DhtReply(0, OWN, node_id(address), closer=closer))
    assert query.done
    assert asked <= MAX_SEEN
    assert len(query.closest) == ROW_NODES
    assert query.closest == sorted(query.closest)
