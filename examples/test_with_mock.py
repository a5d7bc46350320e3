"""How another project tests against datdot's mock chain, with whatever Substrate client it has; here substrate-interface.

python -m pytest examples/test_with_mock.py
"""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from substrateinterface import Keypair, SubstrateInterface

UNIT = 10**12


@pytest.fixture(scope="session")
def chain() -> Iterator[str]:
    """Run a mock chain on a free port; its RPC address. Each extrinsic gets a block at once."""
    command = [sys.executable, "-m", "runtime_mock", "--port", "0", "--seal", "instant"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())  # printed when it can be connected to
        yield ready["rpc"]
        process.terminate()


@pytest.fixture
def client(chain: str) -> Iterator[SubstrateInterface]:
    with SubstrateInterface(url=chain) as connected:
        yield connected


def test_a_transfer_arrives(client: SubstrateInterface) -> None:
    alice, stranger = Keypair.create_from_uri("//Alice"), Keypair.create_from_uri("//Stranger").ss58_address
    call = client.compose_call("Balances", "transfer_keep_alive", {"dest": stranger, "value": 2 * UNIT})
    receipt = client.submit_extrinsic(client.create_signed_extrinsic(call, alice), wait_for_finalization=True)
    assert receipt.is_success, receipt.error_message
    assert client.query("System", "Account", [stranger]).value["data"]["free"] == 2 * UNIT


def test_a_plan_that_does_not_exist_cannot_be_paid_for(client: SubstrateInterface) -> None:
    alice = Keypair.create_from_uri("//Alice")
    call = client.compose_call("DatDot", "donate", {"plan": 12345, "amount": UNIT, "fresh": 0})
    receipt = client.submit_extrinsic(client.create_signed_extrinsic(call, alice), wait_for_finalization=True)
    assert not receipt.is_success
    assert receipt.error_message["name"] == "NoSuchPlan"
