"""Unmodified substrate-interface against each backend: what it does with a real node it must be able to do with the mock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from substrateinterface import Keypair, KeypairType, SubstrateInterface
from substrateinterface.exceptions import SubstrateRequestException

from runtime_mock.chainspec import ChainSpec, artifacts
from tests.support.chains import RunningChain
from tests.support.runtime_version import SPEC_VERSION

UNIT = 10**12
ALICE = Keypair.create_from_uri("//Alice")
BOB = Keypair.create_from_uri("//Bob").ss58_address
ED = Keypair.create_from_seed("0x" + "5a" * 32, crypto_type=KeypairType.ED25519)
ERAS = [None, {"period": 64}]

pytestmark = pytest.mark.case("feeds/si")


@pytest.fixture(scope="module")
def client(chain: RunningChain) -> Iterator[SubstrateInterface]:
    with SubstrateInterface(url=chain.url) as connected:
        yield connected


@pytest.fixture(scope="module")
def funded(client: SubstrateInterface) -> Keypair:
    """An ed25519 account with money."""
    assert submit(client, ALICE, "Balances", "transfer_keep_alive", dest=ED.ss58_address, value=100 * UNIT).is_success
    return ED


def submit(client: SubstrateInterface, signer: Keypair, pallet: str, name: str, **arguments: Any) -> Any:
    call = client.compose_call(pallet, name, arguments)
    return client.submit_extrinsic(client.create_signed_extrinsic(call, signer), wait_for_inclusion=True)


def names(receipt: Any) -> list[str]:
    return [f"{one.value['module_id']}.{one.value['event_id']}" for one in receipt.triggered_events]


def free(client: SubstrateInterface, account: str) -> int:
    found: int = client.query("System", "Account", [account]).value["data"]["free"]
    return found


def test_it_connects_to_the_one_genesis(client: SubstrateInterface) -> None:
    spec = ChainSpec.load(artifacts() / "chain-spec.json")
    state_root = client.get_block_header(client.get_block_hash(0))["header"]["stateRoot"]
    assert state_root == "0x" + spec.genesis.root(1).hex()
    assert client.chain == spec.name
    assert client.properties == spec.properties
    client.init_runtime()
    assert client.runtime_version == SPEC_VERSION


def test_constants(client: SubstrateInterface) -> None:
    assert client.get_constant("Balances", "ExistentialDeposit").value == 10**9
    assert client.get_constant("System", "BlockHashCount").value == 4096


def test_maps(client: SubstrateInterface) -> None:
    assert client.query("System", "Account", [ALICE.ss58_address]).value["data"]["free"] > 10**5 * UNIT
    nobody = client.query("System", "Account", [Keypair.create_from_uri("//Nobody").ss58_address]).value
    assert nobody["data"]["free"] == nobody["nonce"] == 0
    assert client.query("Sudo", "Key").value == ALICE.ss58_address
    assert client.query("System", "BlockHash", [0]).value == client.get_block_hash(0)


def test_maps_are_paged(client: SubstrateInterface) -> None:
    at = client.get_chain_finalised_head()
    found = {key.value: value.value for key, value in client.query_map("System", "Account", page_size=2, block_hash=at)}
    assert {ALICE.ss58_address, BOB} <= set(found)
    assert len(found) >= 6
    whole = client.query_map("System", "Account", page_size=100, block_hash=at)
    assert {key.value: value.value for key, value in whole} == found


def test_many_keys_at_once(client: SubstrateInterface) -> None:
    keys = [client.create_storage_key("System", "Account", [account]) for account in (ALICE.ss58_address, BOB)]
    assert all(value.value["data"]["free"] > 0 for _, value in client.query_multi(keys))


@pytest.mark.parametrize("era", ERAS, ids=["immortal", "mortal"])
@pytest.mark.parametrize("scheme", ["sr25519", "ed25519"])
def test_it_signs_and_submits(client: SubstrateInterface, funded: Keypair, scheme: str, era: Any) -> None:
    signer = ALICE if scheme == "sr25519" else funded
    before = free(client, BOB)
    call = client.compose_call("Balances", "transfer_keep_alive", {"dest": BOB, "value": UNIT})
    extrinsic = client.create_signed_extrinsic(call, signer, era=era and dict(era))
    receipt = client.submit_extrinsic(extrinsic, wait_for_inclusion=True)
    assert receipt.is_success
    assert receipt.extrinsic_idx == 1
    assert names(receipt)[0] == "Balances.Withdraw"
    assert names(receipt)[-1] == "System.ExtrinsicSuccess"
    assert "Balances.Transfer" in names(receipt)
    assert free(client, BOB) == before + UNIT


def test_it_waits_for_finality(client: SubstrateInterface) -> None:
    call = client.compose_call("System", "remark", {"remark": "0x" + "ab" * 400})  # its payload is hashed
    extrinsic = client.create_signed_extrinsic(call, ALICE, tip=5)
    receipt = client.submit_extrinsic(extrinsic, wait_for_finalization=True)
    assert receipt.finalized
    assert receipt.is_success
    final = client.get_block_number(client.get_chain_finalised_head())
    assert client.get_block_number(receipt.block_hash) <= final


def test_a_dispatch_error_has_its_name(client: SubstrateInterface, funded: Keypair) -> None:
    inner = client.compose_call("System", "remark", {"remark": "0x00"})
    receipt = submit(client, funded, "Sudo", "sudo", call=inner)
    assert not receipt.is_success
    assert receipt.error_message["name"] == "RequireSudo"
    receipt = submit(client, funded, "Balances", "force_set_balance", who=BOB, new_free=UNIT)
    assert receipt.error_message["name"] == "BadOrigin"


def test_the_pallets_own_names(client: SubstrateInterface, funded: Keypair) -> None:
    assert submit(client, funded, "DatDot", "collect", copy=2**40).error_message["name"] == "NoSuchCopy"
    assert submit(client, funded, "DatDot", "unset_seed").error_message["name"] == "BadOrigin"
    done = submit(client, ALICE, "Sudo", "sudo", call=client.compose_call("DatDot", "unset_seed", {}))
    assert done.is_success
    assert "DatDot.SeedUnset" in names(done)
    assert client.query("DatDot", "Time").value["era"] == 24
    seeds = list(client.query_map("DatDot", "Seeds", page_size=5))
    assert seeds
    assert all(len(value.value) == 66 for _, value in seeds)
    assert list(client.query_map("DatDot", "Deadlines", ["Tick"])) == []


def test_a_stale_nonce_is_refused(client: SubstrateInterface, funded: Keypair) -> None:
    call = client.compose_call("System", "remark", {"remark": "0x01"})
    extrinsic = client.create_signed_extrinsic(call, ALICE, nonce=0)
    with pytest.raises(SubstrateRequestException) as raised:
        client.submit_extrinsic(extrinsic, wait_for_inclusion=True)
    assert raised.value.args[0] == {"code": 1010, "message": "Invalid Transaction", "data": "Transaction is outdated"}


def test_a_bad_signature_is_refused(client: SubstrateInterface) -> None:
    call = client.compose_call("System", "remark", {"remark": "0x02"})
    extrinsic = client.create_signed_extrinsic(call, ALICE, signature="0x01" + "11" * 64)
    with pytest.raises(SubstrateRequestException) as raised:
        client.submit_extrinsic(extrinsic)
    assert raised.value.args[0]["data"] == "Transaction has a bad signature"


def test_a_nonce_gap_waits_for_what_fills_it(client: SubstrateInterface, funded: Keypair) -> None:
    nonce = client.get_account_nonce(ALICE.ss58_address)
    call = client.compose_call("System", "remark", {"remark": "0x03"})
    late = client.submit_extrinsic(client.create_signed_extrinsic(call, ALICE, nonce=nonce + 1))
    assert client.rpc_request("system_accountNextIndex", [ALICE.ss58_address])["result"] == nonce
    client.submit_extrinsic(client.create_signed_extrinsic(call, ALICE, nonce=nonce), wait_for_inclusion=True)
    receipt = late
    for _ in range(20):
        if client.get_account_nonce(ALICE.ss58_address) == nonce + 2:
            break
        client.submit_extrinsic(
            client.create_signed_extrinsic(call, funded, nonce=client.get_account_nonce(funded.ss58_address)),
            wait_for_inclusion=True,
        )
    assert client.get_account_nonce(ALICE.ss58_address) == nonce + 2
    assert receipt.extrinsic_hash


def test_fees_are_what_was_announced(client: SubstrateInterface) -> None:
    call = client.compose_call("Balances", "transfer_keep_alive", {"dest": BOB, "value": UNIT})
    announced = client.get_payment_info(call, ALICE)["partialFee"]
    extrinsic = client.create_signed_extrinsic(call, ALICE)
    receipt = client.submit_extrinsic(extrinsic, wait_for_inclusion=True)
    # a nonce takes one to four bytes, each 10^6
    assert abs(receipt.total_fee_amount - announced) <= 4 * 10**6


def test_finalized_heads_are_followed(client: SubstrateInterface) -> None:
    seen: list[int] = []

    def handler(header: Any, update: int, subscription: str) -> Any:
        seen.append(header["header"]["number"])
        return seen if len(seen) == 3 else None

    assert client.subscribe_block_headers(handler, finalized_only=True) == seen
    assert seen == list(range(seen[0], seen[0] + 3))


def test_storage_is_followed(chain: RunningChain, client: SubstrateInterface) -> None:
    seen: list[int] = []
    begun = threading.Event()
    target = Keypair.create_from_seed("0x" + "77" * 32).ss58_address

    def handler(value: Any, update: int, subscription: str) -> Any:
        seen.append(value.value["data"]["free"])
        begun.set()
        return seen if len(seen) == 2 else None

    def follow() -> None:
        with SubstrateInterface(url=chain.url) as other:
            other.query("System", "Account", [target], subscription_handler=handler)

    follower = threading.Thread(target=follow)
    follower.start()
    assert begun.wait(60)
    assert submit(client, ALICE, "Balances", "transfer_keep_alive", dest=target, value=7 * UNIT).is_success
    follower.join(60)
    assert seen[1] - seen[0] == 7 * UNIT


def test_a_block_is_read_back(client: SubstrateInterface) -> None:
    receipt = submit(client, ALICE, "System", "remark_with_event", remark="0x1234")
    block = client.get_block(receipt.block_hash)
    assert block["header"]["hash"] == receipt.block_hash
    assert [one.value["call"]["call_function"] for one in block["extrinsics"]] == ["set", "remark_with_event"]
    events = client.get_events(receipt.block_hash)
    assert any(one.value["event_id"] == "Remarked" for one in events)


def test_a_runtime_api(client: SubstrateInterface, funded: Keypair) -> None:
    assert client.runtime_call("AccountNonceApi", "account_nonce", [ALICE.ss58_address]).value > 0


def test_the_metadata_is_the_artefact(client: SubstrateInterface) -> None:
    served = client.rpc_request("state_getMetadata", [])["result"]
    assert bytes.fromhex(served[2:]) == (artifacts() / "metadata.scale").read_bytes()


def test_a_trial_of_an_extrinsic(client: SubstrateInterface) -> None:
    call = client.compose_call("System", "remark", {"remark": "0x01"})
    signed = client.create_signed_extrinsic(call, ALICE)
    assert client.rpc_request("system_dryRun", [str(signed.data)])["result"] == "0x0000"
    assert client.rpc_request("system_localPeerId", [])["result"].startswith("12D3KooW")


def test_over_http(chain: RunningChain) -> None:
    with SubstrateInterface(url=chain.url.replace("ws", "http")) as client:
        assert client.query("System", "Account", [BOB]).value["data"]["free"] > 0
        assert len(list(client.query_map("System", "Account", page_size=2))) >= 6
        call = client.compose_call("System", "remark", {"remark": "0x01"})
        signed = client.create_signed_extrinsic(call, Keypair.create_from_uri("//Bob"))
        assert client.submit_extrinsic(signed).extrinsic_hash
