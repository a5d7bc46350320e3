"""Who may ask a node's server, and how often."""

from __future__ import annotations

import pytest

from service.web.guards import HostCheck, ReaderCheck, RequestLimit, read_network


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.0.0.1"])
def test_this_machine_is_always_a_name(host: str) -> None:
    assert HostCheck("127.0.0.1").allows(host)
    assert HostCheck("0.0.0.0").allows(host)


OTHERS = [None, "", "evil.example", "127.0.0.1.evil.example", "evil@127.0.0.1", "127.0.0.1:x", "127.0.0.1/x"]


@pytest.mark.parametrize("host", [*OTHERS, "0.0.0.0:80", "[::1"])
def test_another_name_is_none(host: str | None) -> None:
    for bound in ("127.0.0.1", "0.0.0.0", "192.0.2.7"):
        assert not HostCheck(bound, ["node.example"]).allows(host)


def test_names_can_be_added_and_the_bound_address_is_one() -> None:
    check = HostCheck("192.0.2.7", ["Node.Example"])
    assert check.allows("192.0.2.7:80")
    assert check.allows("node.example:443")
    assert not check.allows("192.0.2.8:80")


def test_only_pages_of_the_server_itself_are_an_origin() -> None:
    check = HostCheck("127.0.0.1")
    assert check.allows_origin(None, "127.0.0.1:8080")
    assert check.allows_origin("http://127.0.0.1:8080", "127.0.0.1:8080")
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1"):
        assert not check.allows_origin(origin, "127.0.0.1:8080")


def test_a_bucket_empties_and_fills() -> None:
    limit = RequestLimit(rate=2, burst=3)
    assert [limit.wait("a", 0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait("b", 0) == 0, "each address has its own"
    assert limit.wait("a", 0.25) == pytest.approx(0.25)
    assert limit.wait("a", 0.5) == 0
    assert [limit.wait("a", 1000) for _ in range(4)] == [0, 0, 0, 0.5], "it never holds more than the burst"


def test_the_addresses_that_are_counted_are_bounded() -> None:
    limit = RequestLimit(rate=1, burst=1, most=3)
    for address in "abcd":
        assert limit.wait(address, 0) == 0
    assert len(limit._buckets) == 3
    assert limit.wait("d", 0) > 0
    assert limit.wait("a", 0) == 0, "it was forgotten"


@pytest.mark.parametrize(
    ("remote", "here"),
    [
        *[("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True)],
        *[("10.0.0.1", False), ("fe80::1%eth0", False), ("", False), (None, False), ("::ffff:10.0.0.1", False)],
    ],
)
def test_without_networks_only_this_machine_reads(remote: str | None, here: bool) -> None:
    assert ReaderCheck().allows(remote) is here


def test_networks_that_were_named_read_and_their_neighbours_do_not() -> None:
    check = ReaderCheck(["172.18.0.1/32", "10.1.0.0/16", "fd00::/64"])
    assert all(map(check.allows, ["172.18.0.1", "::ffff:172.18.0.1", "10.1.255.1", "fd00::7%eth0", "127.0.0.1"]))
    assert not any(map(check.allows, ["172.18.0.2", "10.2.0.1", "fd01::7", "::ffff:10.2.0.1", "x", None]))


@pytest.mark.parametrize(
    ("text", "network"), [("10.1.0.0/16", "10.1.0.0/16"), ("10.1.2.3", "10.1.2.3/32"), ("::1", "::1/128")]
)
def test_a_network_is_read(text: str, network: str) -> None:
    assert read_network(text) == network


@pytest.mark.parametrize("text", ["", "all", "0.0.0.0/0", "::/0", "10.1.2.3/16", "10.0.0.0/33", "node.example"])
def test_what_is_no_network_or_everybody_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=repr(text)[1:-1].replace(".", r"\.") or "no network"):
        read_network(text)
