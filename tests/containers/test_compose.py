"""docker-compose.yml from nothing: all healthy, the whole job done inside, containers killed, the network stopped and started.

The tests are of one network and come one after another, as its life does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.daemon import NoDocker, what_is_missing
from tests.containers.stack import PASSING, STATUS, Stack, stack, until
from tests.support.needs import missing, node_binary
from tests.support.npm_peer import node_command
from tests.support.prometheus import dashboard_expressions, rule_expressions, series_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # the images are built anew on a new machine

SIZE = 300_000
REPLICAS = 3
JOB: dict[str, Any] = {}
"""What the tests before found: feed, plan, copies."""


@pytest.fixture(scope="module")
def network() -> Iterator[Stack]:
    """The network, built and running."""
    lacking = what_is_missing()
    if lacking is not None:
        missing(f"containers: {lacking}")
    node_command()
    try:
        with stack(Path(node_binary())) as made:
            yield made
    except NoDocker as error:
        missing(f"containers: {error}")


def shown(network: Stack) -> dict[str, Any]:
    """The plan as it stands."""
    return network.datdot("plan", "show", str(JOB["plan"]))


def active(network: Stack) -> dict[int, dict[str, Any]]:
    """Its copies that are active."""
    return {one["copy"]: one for one in shown(network)["copies"] if one["state"] == "Active"}


def hoster_of(network: Stack, copy: dict[str, Any]) -> str:
    """The service whose account hosts a copy."""
    ((found,),) = network.promql(f'datdot_info{{account="{copy["hoster"]}"}}')
    return str(found["metric"]["instance"]).partition(":")[0]


def test_every_container_is_shut_in(network: Stack) -> None:
    for service in network.services():
        found = network.inspect(service)
        host = found["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges:true"]), service
        assert host["Memory"] > 0, service
        assert service == "chain" or host["PidsLimit"] <= 128, service
        assert host["RestartPolicy"]["Name"] == "on-failure", service
        assert found["Config"]["User"] not in ("", "root", "0"), service
        for binding in (host["PortBindings"] or {}).values():
            assert {one["HostIp"] for one in binding} == {"127.0.0.1"}, service


def test_the_image_has_no_build_tools(network: Stack) -> None:
    tools = "cc gcc g++ make ld cargo rustc maturin pip hatchling git curl wget"
    found = network.run("author-1", "sh", "-c", f"for tool in {tools}; do command -v $tool; done; true")
    assert found == ""
    told = network.run(
        "author-1", "python", "-c", "import importlib.util as u; print(u.find_spec('pip'), u.find_spec('setuptools'))"
    )
    assert told.split() == ["None", "None"]
    assert network.run("author-1", "id", "-u").strip() == "1000"
    refused = network.run("author-1", "sh", "-c", "touch /opt/datdot/x 2>&1; touch /x 2>&1; true")
    assert refused.count("Read-only file system") == 2


def test_the_peers_use_the_codec_in_rust(network: Stack) -> None:
    told = network.run("encoder-1", "python", "-c", "import datdot_codec; print(datdot_codec.__name__)")
    assert told.strip() == "datdot_codec"
    assert "DATDOT_CODEC=native" in network.inspect("encoder-1")["Config"]["Env"]


def test_the_dashboard_is_read_from_this_machine_and_from_no_other_container(network: Stack) -> None:
    (status,) = network.get("http://127.0.0.1:8080/api/status")
    assert status["level"] in ("note", "warning", "error")
    url = "http://author-1:8080"
    for service in ("hoster-1", "encoder-1"):
        asked = [
            network.run(service, "python", "-c", STATUS, f"{url}{path}").strip() for path in ("/api/status", "/metrics")
        ]
        assert asked == ["401", "200"], service


def test_only_what_is_published_is_in_a_network_with_a_way_out(network: Stack) -> None:
    (peers,) = json.loads(network.docker.run("network", "inspect", "datdot_peers"))
    (front,) = json.loads(network.docker.run("network", "inspect", "datdot_front"))
    assert (peers["Internal"], front["Internal"]) == (True, False)
    names = {one["Name"] for one in front["Containers"].values()}
    assert names == {f"datdot_{service}_1" for service in ("author-1", "chain", "prometheus")}


def test_a_feed_is_published_and_hosted(network: Stack) -> None:
    network.run("author-1", "sh", "-c", f"head -c {SIZE} /dev/urandom > /tmp/photo")
    JOB["sha256"] = network.run("author-1", "sha256sum", "/tmp/photo").split()[0]
    feed = network.datdot("feed", "import", "/tmp/photo", "--dir", "/data")
    pot, replicas = str(50 * 10**12), str(REPLICAS)
    terms = ["--replicas", replicas, "--pot", pot, "--until", "20000"]
    JOB.update(feed=feed, plan=network.datdot("plan", "publish", feed["key"], "--dir", "/data", *terms)["plan"])
    copies = until("all copies are active", lambda: found if len(found := active(network)) == REPLICAS else None)
    assert len({one["hoster"] for one in copies.values()}) == REPLICAS
    JOB["copies"] = copies


def test_a_process_that_dies_is_started_again(network: Stack) -> None:
    service = hoster_of(network, next(iter(JOB["copies"].values())))
    before = network.inspect(service)
    os.kill(before["State"]["Pid"], signal.SIGKILL)

    def back() -> bool | None:
        now = network.inspect(service)
        again = now["RestartCount"] > before["RestartCount"] and now["State"]["Pid"] not in (0, before["State"]["Pid"])
        return True if again and now["State"]["Health"]["Status"] == "healthy" else None

    until(f"{service} is back and healthy", back)


def test_a_hoster_that_is_gone_is_replaced_and_a_stock_reader_gets_every_byte(network: Stack, tmp_path: Path) -> None:
    lost, copy = next(iter(active(network).items()))
    service = hoster_of(network, copy)
    network.compose("kill", service, "author-1")
    feed = JOB["feed"]
    asked = {"host": network.address("dht"), "port": 49737, "directory": str(tmp_path / "reader")}
    asked |= {"key": feed["key"], "length": feed["length"]}
    program = Path(__file__).with_name("reader.mjs")
    done = subprocess.run(
        network.place.inside(node_command(), str(program), json.dumps(asked)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    read = json.loads(done.stdout)
    assert read["bytes"] == feed["byte_length"]
    exported = network.compose(
        "run", "--rm", "--no-deps", "-T", "faucet", "sh", "-c",
        f"datdot feed export {feed['key']} /tmp/out --dir /tmp/reader --bootstrap {network.address('dht')}:49737 >&2 && "
        "find /tmp/out -type f -exec sha256sum {} +",
    )  # fmt: skip
    assert exported.split()[0] == JOB["sha256"]
    network.compose("start", "author-1")

    def healed() -> dict[int, Any] | None:
        found = active(network)
        return found if lost not in found and len(found) == REPLICAS else None

    copies = until("the lost copy is replaced", healed)
    assert copy["hoster"] not in {one["hoster"] for one in copies.values()}


def test_every_query_of_grafana_and_every_rule_is_answered(network: Stack) -> None:
    """Of a panel by a series at least; of a rule, whose condition need not hold, all that it names is there."""
    names = set(network.prometheus("label/__name__/values"))
    there = hoster_of(network, next(iter(active(network).values())))  # no series is of the one that is gone
    panels = list(dashboard_expressions({"instance": f"{there}:8080"}))
    for (where, expression), found in zip(panels, network.promql(*(one for _, one in panels)), strict=True):
        assert found, f"{where}: no series answers {expression}"
    rules = list(rule_expressions())
    network.promql(*(one for _, one in rules))
    for where, expression in rules:
        assert series_in(expression) <= names, f"{where}: {series_in(expression) - names}"
    assert {one["health"] for group in network.prometheus("rules")["groups"] for one in group["rules"]} == {"ok"}


def test_prometheus_tells_of_the_hoster_that_is_gone_and_of_no_other(network: Stack) -> None:
    gone = {f"{lost_hoster(network)}:8080"}

    def away() -> bool | None:
        alerts = [one["labels"] for one in network.prometheus("alerts")["alerts"]]
        return True if {one["instance"] for one in alerts if one["alertname"] == "NodeAway"} == gone else None

    until("Prometheus tells of it", away)


def test_stop_and_up_again_cost_no_strike(network: Stack) -> None:
    gone = lost_hoster(network)
    before = {number: one["strikes"] for number, one in active(network).items()}
    missed = {
        one["metric"]["instance"]: one["value"][1] for one in network.promql("datdot_hosting_challenges_missed")[0]
    }
    stood = network.datdot("chain", "status")["finalized"]
    network.compose("stop")
    ended = {one: network.inspect(one)["State"]["ExitCode"] for one in network.services() if one not in PASSING}
    assert {one for one, code in ended.items() if code} == {gone}
    network.up()
    # one and a half proof windows: what was asked at the start is overdue by then
    until("the chain goes on", lambda: True if network.datdot("chain", "status")["finalized"] > stood + 60 else None)
    after = active(network)
    assert {number: after[number]["strikes"] for number in before} == before
    for instance, count in missed.items():
        if not instance.startswith(gone):
            ((now,),) = network.promql(f'datdot_hosting_challenges_missed{{instance="{instance}"}}')
            assert now["value"][1] == count, instance


def lost_hoster(network: Stack) -> str:
    """The hoster that was killed."""
    (found,) = {f"hoster-{n}" for n in range(1, 5)} - {hoster_of(network, one) for one in active(network).values()}
    return found
