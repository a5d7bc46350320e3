"""Whom a swarm dials, takes and forgets: npm hyperswarm's decisions, and bounds on all that strangers can make grow."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.hypercore.swarm.discovery import OVERDUE_SECONDS, REFRESH_SECONDS, SPREAD_SECONDS, Discovery, Errand
from service.hypercore.swarm.peers import Backoff, KnownPeer, Link, keeps_new
from service.hypercore.swarm.policy import (
    MAX_BANNED,
    MAX_EXPLICIT,
    MAX_PEERS_OF_TOPIC,
    MAX_TOPICS,
    DialOrder,
    Ruling,
    SwarmLimits,
    SwarmPolicy,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "swarm" / "swarm_policy.json").read_text())
OWN = bytes([100]) * 32
TOPIC, OTHER = bytes(32), bytes([1]) * 32


def key_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def policy(**limits: int) -> SwarmPolicy:
    one = SwarmPolicy(OWN, random.Random(1), SwarmLimits(**limits))
    one.join(TOPIC)
    return one


def dials(one: SwarmPolicy, now: float) -> list[bytes]:
    """All that are dialled now."""
    found = []
    while (order := one.next_dial(now)) is not None:
        found.append(order.key)
    return found


# ---- npm's decisions


# npm asks for `tried` and never sets it: what the vectors say of peers with it happens to no peer of npm's.
@pytest.mark.parametrize("case", [case for case in VECTORS["retry"] if not case["tried"]])
def test_retries_are_those_of_npm(case: dict[str, object]) -> None:
    peer = KnownPeer(
        OWN, explicit=bool(case["explicit"]), proven=bool(case["proven"]), attempts=int(str(case["attempts"]))
    )
    backoff = peer.backoff()
    assert (backoff and backoff.name) == case["timer"]
    assert peer.may_connect() == case["mayConnect"]
    assert peer.attempts == case["attemptsAfter"]
    if case["mayConnect"]:
        assert peer.priority == case["priority"]


@pytest.mark.parametrize("case", VECTORS["dedupe"])
def test_of_two_connections_the_same_is_kept_as_by_npm(case: dict[str, object]) -> None:
    own, remote = bytes.fromhex(str(case["publicKey"])), bytes.fromhex(str(case["remotePublicKey"]))
    initiator, moved = bool(case["newIsInitiator"]), bool(case["existingMovedBytesBothWays"])
    assert keeps_new(own, remote, initiator=initiator, moved=moved) == case["keepNew"]


def test_a_peer_that_does_not_answer_is_tried_four_times_and_forgotten() -> None:
    one, now = policy(), 0.0
    one.found(TOPIC, key_of(1), (), now)
    waits = []
    for _ in range(4):
        assert one.next_dial(now) == DialOrder(key_of(1), (), False)
        one.failed(key_of(1), now)
        assert one.next_dial(now) is None
        if one.peers:
            waits.append(one.deadline() - now)
            assert one.next_dial(one.deadline() - 0.001) is None
            now = one.deadline()
    assert not one.peers
    assert one.deadline() == float("inf")
    for wait, backoff in zip(waits, (Backoff.M, Backoff.L, Backoff.L), strict=True):
        assert 0.66 * backoff.value[0] <= wait <= 1.32 * (backoff.value[0] + 2.5)
    assert one.found(TOPIC, key_of(1), (), now), "discovered again it is tried again"
    assert dials(one, now) == [key_of(1)]


def test_a_peer_that_was_asked_for_is_never_given_up() -> None:
    one, now = policy(), 0.0
    one.join_peer(key_of(1), now)
    for _ in range(20):
        assert dials(one, now) == [key_of(1)]
        one.failed(key_of(1), now)
        assert one.deadline() - now < 1.32 * (600 + 121)
        now = one.deadline()
    one.leave_peer(key_of(1))
    assert not one.peers
    assert dials(one, now + 10_000) == []


def test_a_peer_that_was_asked_for_does_not_wait_when_something_happens() -> None:
    one = policy()
    one.join_peer(key_of(1), 0.0)
    assert dials(one, 0.0) == [key_of(1)]
    one.failed(key_of(1), 0.0)
    assert one.deadline() > 3.0
    assert dials(one, 0.9) == []
    assert dials(one, 1.0) == [key_of(1)]


def test_a_connection_that_lasted_is_made_again_in_a_second() -> None:
    one = policy()
    one.found(TOPIC, key_of(1), (), 0.0)
    assert dials(one, 0.0) == [key_of(1)]
    assert one.opened(key_of(1), "44.10.0.1", 1.0)
    assert not one.outstanding()
    one.ended(key_of(1), 16.0)
    assert 0.66 <= one.deadline() - 16.0 <= 1.32 * 2


def test_fresh_peers_come_after_those_that_failed_once_and_before_those_that_failed_often() -> None:
    one = policy(parallel=10)
    for number in range(4):
        one.found(TOPIC, key_of(number), (), 0.0)
    order = []
    for number in range(4):
        peer = one.peers[key_of(number)]
        one._unqueue(peer)
        peer.attempts = number
        one._enqueue(peer)
    while (dial := one.next_dial(0.0)) is not None:
        order.append(dial.key)
    assert order == [key_of(1), key_of(2), key_of(0), key_of(3)]


def test_at_most_three_are_dialled_at_a_time() -> None:
    one = policy()
    for number in range(10):
        one.found(TOPIC, key_of(number), (), 0.0)
    first = dials(one, 0.0)
    assert len(first) == 3
    one.opened(first[0], "", 0.0)
    assert len(dials(one, 0.0)) == 1


@pytest.mark.parametrize(("explicit", "most"), [(0, 64), (1, 32), (2, 22), (3, 22), (4, 16)])
def test_peers_that_were_asked_for_leave_fewer_places_for_others(explicit: int, most: int) -> None:
    one = policy(parallel=1000)
    for number in range(explicit):
        one.join_peer(key_of(1000 + number), 0.0)
    for number in range(100):
        one.found(TOPIC, key_of(number), (), 0.0)
    assert len(dials(one, 0.0)) == most


def test_the_way_over_a_relay_is_remembered() -> None:
    one = policy()
    one.found(TOPIC, key_of(1), (), 0.0)
    one.next_dial(0.0)
    one.failed(key_of(1), 0.0, force_relay=True)
    now = one.deadline()
    assert now <= 1.32 * 2, "at once by the relay"
    for _ in range(4):
        assert one.next_dial(now) == DialOrder(key_of(1), (), True)
        one.failed(key_of(1), now, force_relay=True)
        now = one.deadline()
    assert now == float("inf"), "if that does not help either, it is given up as any other"


# ---- who comes


def test_who_dials_is_taken_and_not_dialled() -> None:
    one = policy()
    one.found(TOPIC, key_of(1), (), 0.0)
    assert one.incoming(key_of(1), "44.10.0.1", 0.0, moved=False) is Ruling.TAKE
    assert dials(one, 0.0) == []
    one.ended(key_of(1), 100.0)
    assert not one.peers, "it dialled, and it dials again"
    assert one.deadline() == float("inf")


def test_two_that_dial_each_other_keep_the_same_connection() -> None:
    for smaller, larger in [(OWN, key_of(2**255)), (key_of(1), OWN)]:
        kept = []
        for own, remote in [(smaller, larger), (larger, smaller)]:
            one = SwarmPolicy(own, random.Random(1))
            one.join(TOPIC)
            one.found(TOPIC, remote, (), 0.0)
            assert one.next_dial(0.0) is not None
            ruling = one.incoming(remote, "44.10.0.1", 0.0, moved=False)
            assert ruling in (Ruling.REPLACE, Ruling.DUPLICATE)
            kept.append(remote if ruling is Ruling.REPLACE else own)
        assert kept == [larger, larger], "the larger key's"


def test_dials_that_cross_are_no_lost_connection() -> None:
    for now, expected in [(14.9, {Ruling.REPLACE, Ruling.DUPLICATE}), (15.0, {Ruling.REPLACE})]:
        rulings = set()
        for own, remote in [(OWN, key_of(1)), (key_of(1), OWN)]:
            one = SwarmPolicy(own, random.Random(1))
            one.join_peer(remote, 10.0)
            assert one.next_dial(10.0) is not None
            one.opened(remote, "44.10.0.1", 10.0)
            rulings.add(one.incoming(remote, "44.10.0.1", now, moved=True))
        assert rulings == expected


def test_a_peer_that_lost_its_connection_gets_a_new_one() -> None:
    one = policy()
    assert one.incoming(key_of(1), "44.10.0.1", 0.0, moved=False) is Ruling.TAKE
    assert one.incoming(key_of(1), "44.10.0.2", 0.0, moved=True) is Ruling.REPLACE
    assert one.count(Link.SERVER) == 1


def test_too_many_are_refused_in_all_and_of_one_host() -> None:
    one = policy(taken=5, of_host=2)
    assert [one.incoming(key_of(number), "44.10.0.1", 0.0, moved=False) for number in range(3)] == [
        Ruling.TAKE, Ruling.TAKE, Ruling.CROWDED,
    ]  # fmt: skip
    for number in range(10, 13):
        assert one.incoming(key_of(number), f"44.10.1.{number}", 0.0, moved=False) is Ruling.TAKE
    assert one.refuses(key_of(20))
    assert one.incoming(key_of(20), "44.10.0.9", 0.0, moved=False) is Ruling.FULL
    assert not one.refuses(key_of(1)), "it has a place already"
    one.join_peer(key_of(21), 0.0)
    assert one.incoming(key_of(21), "44.10.0.1", 0.0, moved=False) is Ruling.TAKE, "it was asked for"
    one.ended(key_of(1), 0.0)
    one.ended(key_of(10), 0.0)
    assert one.incoming(key_of(20), "44.10.0.9", 0.0, moved=False) is Ruling.TAKE


def test_of_many_keys_at_one_host_only_some_are_kept_when_dialled() -> None:
    one = policy(parallel=10, of_host=2)
    for number in range(4):
        one.found(TOPIC, key_of(number), (), 0.0)
    assert [one.opened(key, "44.10.0.1", 0.0) for key in dials(one, 0.0)] == [True, True, False, False]
    assert len(one.peers) == 2


def test_a_ban_keeps_out_and_ends_the_dialling() -> None:
    one = policy()
    one.found(TOPIC, key_of(1), (), 0.0)
    one.join_peer(key_of(2), 0.0)
    one.ban(key_of(1))
    one.ban(key_of(2))
    assert dials(one, 0.0) == []
    assert not one.found(TOPIC, key_of(1), (), 0.0)
    assert one.refuses(key_of(1))
    one.unban(key_of(1))
    assert one.found(TOPIC, key_of(1), (), 0.0)
    assert not one.refuses(key_of(1))


def test_the_firewall_holds_both_ways() -> None:
    one = SwarmPolicy(OWN, random.Random(1), firewall=lambda key: key == key_of(1))
    one.join(TOPIC)
    one.found(TOPIC, key_of(1), (), 0.0)
    assert dials(one, 0.0) == []
    assert one.incoming(key_of(1), "", 0.0, moved=False) is Ruling.REFUSED
    assert not one.peers, "refusals cost no memory"


def test_a_swarm_does_not_connect_to_itself() -> None:
    one = policy()
    assert not one.found(TOPIC, OWN, (), 0.0)
    assert one.refuses(OWN)
    with pytest.raises(ValueError, match="does not connect to itself"):
        one.join_peer(OWN, 0.0)


# ---- bounds


def test_what_is_remembered_is_bounded() -> None:
    one = policy()
    taken = [one.found(TOPIC, key_of(number), (), 0.0) for number in range(3 * MAX_PEERS_OF_TOPIC)]
    assert taken.count(True) == len(one.peers) == MAX_PEERS_OF_TOPIC
    for key in dials(one, 0.0):
        one.failed(key, 0.0)
    before = set(one.peers)
    assert one.found(TOPIC, key_of(10**6), (), 0.0), "one that failed makes room"
    assert len(before - set(one.peers)) == 1
    for number in range(2 * MAX_BANNED):
        one.ban(key_of(number))
    assert not one.refuses(key_of(0))
    assert one.refuses(key_of(2 * MAX_BANNED - 1))


def test_topics_and_peers_that_are_asked_for_are_bounded() -> None:
    one = policy()
    for number in range(1, MAX_TOPICS):
        one.join(number.to_bytes(32, "big"))
    with pytest.raises(ValueError, match=f"at most {MAX_TOPICS} topics"):
        one.join(b"t" * 32)
    for number in range(MAX_EXPLICIT):
        one.join_peer(key_of(number), 0.0)
    with pytest.raises(ValueError, match=f"at most {MAX_EXPLICIT} peers"):
        one.join_peer(key_of(2**200), 0.0)


def test_who_is_found_under_a_topic_that_was_left_is_forgotten() -> None:
    one = policy()
    one.join(OTHER)
    for number in range(6):
        one.found(TOPIC, key_of(number), (), 0.0)
    one.found(OTHER, key_of(0), (), 0.0)
    connected = next(key for key in dials(one, 0.0) if key != key_of(0))
    one.opened(connected, "", 0.0)
    one.leave(TOPIC)
    assert key_of(0) in one.peers
    assert connected in one.peers
    assert not one.found(TOPIC, key_of(9), (), 0.0)
    one.ended(connected, 1.0)
    assert connected not in one.peers
    assert one.topics == {OTHER}


def test_a_suspended_swarm_does_nothing_until_it_is_resumed() -> None:
    one = policy()
    one.join_peer(key_of(1), 0.0)
    for number in range(2, 9):
        one.found(TOPIC, key_of(number), (), 0.0)
    one.opened(dials(one, 0.0)[0], "", 0.0)
    one.suspend(1.0)
    assert dials(one, 1000.0) == []
    assert one.refuses(key_of(1))
    assert not one.found(TOPIC, key_of(2), (), 2.0)
    assert set(one.peers) == {key_of(1)}
    one.resume(1001.0)
    assert dials(one, 1001.0) == [key_of(1)]


def test_what_still_is_to_be_dialled_is_told() -> None:
    one = policy(peers=2)
    for number in range(4):
        one.found(TOPIC, key_of(number), (), 0.0)
    assert len(one.outstanding()) == 4
    first = dials(one, 0.0)
    assert len(first) == 2
    assert not one.is_stalled
    for key in first:
        one.opened(key, "", 0.0)
    assert len(one.outstanding()) == 2
    assert one.is_stalled, "there are connections enough"


HAPPENS = (
    "found", "other", "dial", "open", "fail", "end", "come", "join", "leave", "ban", "unban", "topic", "doze",
)  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.sampled_from(HAPPENS),
        st.integers(0, 11),
        st.integers(0, 30),
    ),
    max_size=120,
)  # fmt: skip


def do(one: SwarmPolicy, what: str, key: bytes, now: float) -> None:
    """One thing that can happen, where it can."""
    link = one.peers[key].link if key in one.peers else Link.NONE
    if what in ("found", "other"):
        one.found(TOPIC if what == "found" else OTHER, key, (), now)
    elif what == "dial":
        one.next_dial(now)
    elif what == "open" and link is Link.DIALLING:
        one.opened(key, f"44.10.0.{key[-1] % 3}", now)
    elif what == "fail" and link is Link.DIALLING:
        one.failed(key, now)
    elif what == "end" and link in (Link.CLIENT, Link.SERVER):
        one.ended(key, now)
    elif what == "come":
        one.incoming(key, f"44.10.0.{key[-1] % 3}", now, moved=bool(key[-1] % 2))
    elif what in ("join", "ban", "unban"):
        {"join": lambda: one.join_peer(key, now), "ban": lambda: one.ban(key), "unban": lambda: one.unban(key)}[what]()
    elif what == "leave":
        one.leave_peer(key)
    elif what == "topic":
        (one.leave if OTHER in one.topics else one.join)(OTHER)
    elif what == "doze":
        (one.resume if one.suspended else one.suspend)(now)


@settings(max_examples=300)
@given(STEPS)
def test_its_books_are_right_after_anything(steps: list[tuple[str, int, int]]) -> None:
    one, now = policy(peers=6, parallel=3, dialled=4, taken=4, of_host=3), 0.0
    for what, number, seconds in steps:
        now += seconds
        do(one, what, key_of(number), now)
        for link in (Link.DIALLING, Link.CLIENT, Link.SERVER):
            assert one.count(link) == sum(peer.link is link for peer in one)
        assert sum(one._hosts.values()) == sum(bool(peer.host) for peer in one)
        assert {peer.key for row in one._queue for peer in row} == {peer.key for peer in one if peer.queued}
        assert not any(peer.is_idle() for peer in one), "whoever is remembered has a reason"
        assert all(key in one.peers for members in one._topics.values() for key in members)
        assert all(peer.topics <= one.topics for peer in one)


# ---- when the DHT is asked


def discovery(servers: int = 0, clients: int = 1) -> Discovery:
    one = Discovery(random.Random(1), 0.0)
    one.servers, one.clients = servers, clients
    return one


def test_a_topic_is_asked_about_at_once_and_each_ten_minutes() -> None:
    one = discovery()
    assert one.begin(0.0) is Errand.LOOKUP
    assert one.begin(1.0) is None, "one at a time"
    one.ended(True, 2.0)
    assert REFRESH_SECONDS <= one.deadline() - 2.0 <= REFRESH_SECONDS + SPREAD_SECONDS
    assert one.begin(one.deadline()) is Errand.LOOKUP


def test_what_failed_is_asked_again_soon_and_later_and_later() -> None:
    one, now, waits = discovery(), 0.0, []
    for _ in range(9):
        assert one.begin(now) is Errand.LOOKUP
        one.ended(False, now)
        waits.append(one.deadline() - now)
        now = one.deadline()
    assert waits[0] <= 10.0
    assert waits[:7] == sorted(waits[:7])
    assert waits[-1] <= REFRESH_SECONDS + SPREAD_SECONDS


def test_a_machine_that_slept_does_not_ask_at_once() -> None:
    one = discovery()
    one.begin(0.0)
    one.ended(True, 0.0)
    woken = one.deadline() + OVERDUE_SECONDS + 1
    assert one.begin(woken) is None
    assert one.deadline() - woken <= SPREAD_SECONDS
    assert one.begin(one.deadline()) is Errand.LOOKUP


def test_what_was_announced_is_withdrawn_once() -> None:
    one = discovery(servers=1)
    assert one.begin(0.0) is Errand.ANNOUNCE
    one.servers = 0
    one.stop(1.0)
    assert one.begin(1.0) is Errand.WITHDRAW, "even if it was stopped halfway"
    one.ended(True, 2.0)
    one.hurry(3.0)
    assert one.begin(3.0) is Errand.LOOKUP
    one.clients = 0
    one.ended(True, 4.0)
    assert one.deadline() == float("inf"), "nobody wants anything"
