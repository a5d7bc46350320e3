"""Model and runtime agree on everything that is FRAME's: money, nonces, fees, limits, signatures, root's calls."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest
import sr25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime_mock.codec import blake2_256, compact, prefixed
from tests.support.differential.driver import UNIT, Account, Outcome, Pair
from tests.support.differential.life import ED, World
from tests.support.differential.runtime_names import names
from tests.support.differential.settings import EXAMPLES
from tests.support.runtime_version import VERSIONS

REMARK = b"\0\0\0"  # System.remark of nothing
TRAP = b"RuntimeTrap"


@pytest.fixture
def pair() -> Pair:
    return Pair(accounts=5)


def only(outcomes: list[Outcome]) -> Outcome:
    assert len(outcomes) == 1
    return outcomes[0]


def one(pair: Pair, account: Account, pallet: str, name: str, **arguments: Any) -> Outcome:
    pair.submit(account, pallet, name, arguments)
    return only(pair.seal())


frame_actions = st.one_of(
    st.tuples(st.just("transfer"), st.integers(0, 4), st.integers(0, 140), st.integers(0, 51)),
    st.tuples(st.just("force"), st.integers(0, 4), st.integers(0, 9), st.integers(0, 7)),
    st.tuples(st.just("remark"), st.integers(0, 4), st.integers(0, 255), st.integers(0, 5)),
    st.tuples(st.just("nonce"), st.integers(0, 4), st.integers(0, 5)),
    st.tuples(st.just("seal"), st.integers(1, 3)),
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(frame_actions, max_size=40))
def test_random_calls(actions: list[Any]) -> None:
    world = World(Pair(accounts=5))
    world.play([*actions, ("seal", 1)])


def test_errors_by_name(pair: Pair) -> None:
    one_, two = pair.accounts[1:3]
    poor = Account.of("poor")
    to = {"dest": ("Id", poor.id)}
    assert one(pair, one_, "Balances", "transfer_keep_alive", **to, value=ED - 1).error == "Token.BelowMinimum"
    assert one(pair, one_, "Balances", "transfer_allow_death", **to, value=10**18).error == "Token.FundsUnavailable"
    assert one(pair, one_, "Balances", "transfer_keep_alive", dest=("Raw", b"x"), value=1).error == "CannotLookup"
    assert one(pair, two, "Balances", "burn", value=1, keep_alive=True).error == "System.CallFiltered"
    assert one(pair, two, "Sudo", "sudo", call=("System", ("remark", {"remark": b""}))).error == "Sudo.RequireSudo"
    assert one(pair, two, "Balances", "force_set_balance", who=("Id", two.id), new_free=0).error == "BadOrigin"
    assert one(pair, one_, "Balances", "transfer_allow_death", **to, value=ED).ok
    assert pair.value("System", "Account", poor.id)["data"]["free"] == ED


@pytest.mark.parametrize(
    ("nonce", "answer"),
    [(0, b"\0"), (1, b"\0"), (5, b"\0"), (2**32 - 1, b"\0"), (2**32, TRAP)],
)
def test_nonces_in_the_pool(pair: Pair, nonce: int, answer: bytes) -> None:
    assert pair.validity(pair.sign(pair.accounts[1], REMARK, nonce=nonce)).startswith(answer)


def test_a_nonce_gap_and_a_stale_one_stay_out_of_the_block(pair: Pair) -> None:
    account = pair.accounts[1]
    for tip, nonce in enumerate((1, 0, 0, 1)):
        pair.queue(pair.sign(account, REMARK, nonce=nonce, tip=tip))
    assert [outcome.refused for outcome in pair.seal()] == [b"\1\0\2", None, b"\1\0\3", None]


@pytest.mark.parametrize("era", [b"\x05\x00", b"\x15\x00", b"\x01\x00", b"\xff\xff", b"\x02\x00", b"\x00", b"\x10\x00"])
@pytest.mark.parametrize("blocks", [0, 3, 70])
def test_mortality(pair: Pair, era: bytes, blocks: int) -> None:
    pair.seal_many(blocks)
    for birth in {0, 1, pair.number}:
        extrinsic = pair.sign(pair.accounts[1], REMARK, era=era, birth=birth)
        pair.validity(extrinsic)
        pair.queue(extrinsic)
        pair.seal()


def test_signatures_of_each_kind(pair: Pair) -> None:
    public, secret = sr25519.pair_from_seed(bytes(range(32)))
    stranger = Account.of("stranger")
    assert one(pair, pair.accounts[1], "Balances", "transfer_keep_alive", dest=("Id", public), value=UNIT).ok
    extra = b"\0\0\0"
    payload = REMARK + extra + VERSIONS + pair.genesis * 2
    right = b"\1" + sr25519.sign((public, secret), payload)
    signatures = [
        right,
        b"\1" + bytes(64),
        b"\0" + right[1:],
        b"\2" + bytes(65),
        b"\2" + bytes([1]) * 64 + b"\1",
        b"\3" + bytes(64),
    ]
    answers = [pair.validity(prefixed(b"\x84\0" + public + one + extra + REMARK))[:3] for one in signatures]
    assert answers[0][:1] == b"\0"
    assert set(answers[1:5]) == {b"\1\0\4"}
    assert answers[5] == TRAP[:3]
    assert pair.validity(pair.sign(stranger, REMARK, nonce=0)) == b"\1\0\1"  # it has no money
    nobody = prefixed(b"\x84\0" + bytes(32) + right + extra + REMARK)
    assert pair.validity(nobody)[:2] == b"\1\0"


def test_ecdsa_recovers_the_same_account(pair: Pair) -> None:
    world = World(pair)
    for number in (0, 1, 12_344, 2**64):
        world.play([["ecdsa", number], ["seal", 1]])
        assert [outcome.ok for outcome in world.outcomes] == [True]
        world.outcomes.clear()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x05",
        b"\x05" + REMARK,
        b"\x04" + REMARK,
        b"\x06" + REMARK,
        b"\x45\0\0\0\0" + REMARK,
        b"\x45\1\0\0\0" + REMARK,
        b"\x44\0\0\0\0" + REMARK,
        b"\x85" + bytes(200),
        b"\x05\x01\x00\x04",
        b"\x05\x02\x00" + bytes(34),
        b"\x05\x00\x0b\x00",
        b"\x05\x00\x0c\x00",
        b"\x05\x09\x00",
        b"\x05\x00\x01",
        b"\x05" + REMARK + b"\0",
        b"\x05\x00\x00\xfe\xff\xff\xff",
        b"\x05\x00\x00\x01\x00",
    ],
    ids=bytes.hex,
)
def test_bytes_that_are_hardly_extrinsics(pair: Pair, body: bytes) -> None:
    pair.validity(prefixed(body))
    pair.queue(prefixed(body))
    outcome = only(pair.seal())
    # a block's author may include the bare calls of most pallets: they fail, as they have no origin
    assert outcome.refused is not None or outcome.error == "BadOrigin"


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.binary(max_size=80), st.integers(0, 2))
def test_noise(noise: bytes, how: int) -> None:
    pair = quiet_pair()
    if how == 0:
        pair.validity(noise)
    elif how == 1:
        pair.validity(pair.sign(pair.accounts[1], noise, nonce=0))
    else:
        whole = bytearray(pair.sign(pair.accounts[1], REMARK, nonce=0))
        for byte in noise[:4]:
            whole[byte % len(whole)] ^= noise[-1] or 1
        pair.validity(bytes(whole))


_quiet: list[Pair] = []


def quiet_pair() -> Pair:
    """One that no test changes."""
    if not _quiet:
        _quiet.append(Pair(accounts=2))
    return _quiet[0]


@pytest.mark.parametrize("depth", [1, 30, 253, 254, 255, 256, 300])
def test_nested_calls(pair: Pair, depth: int) -> None:
    extrinsic = pair.sign(pair.accounts[0], b"\4\0" * depth + REMARK)
    pair.validity(extrinsic)
    pair.queue(extrinsic)
    pair.seal()


@pytest.mark.parametrize("ref_time", [0, 10**12, 13 * 10**11 - 108_157_000, 13 * 10**11 - 108_156_999, 2**64 - 1])
@pytest.mark.parametrize("proof_size", [0, 2**63, 2**64 - 1])
def test_weights_that_hardly_fit(pair: Pair, ref_time: int, proof_size: int) -> None:
    weight = {"ref_time": ref_time, "proof_size": proof_size}
    for call in (("System", ("remark", {"remark": b"x"})), ("System", ("set_heap_pages", {"pages": 5}))):
        pair.submit(pair.accounts[0], "Sudo", "sudo_unchecked_weight", {"call": call, "weight": weight})
        pair.seal()


def test_a_full_block_refuses_the_rest(pair: Pair) -> None:
    for number in range(1, 5):
        pair.submit(pair.accounts[number], "System", "remark", {"remark": bytes(1_200_000)})
    assert [outcome.ok for outcome in pair.seal()] == [True, True, True, False]
    pair.submit(pair.accounts[1], "System", "remark", {"remark": bytes(4_000_000)})
    assert only(pair.seal()).refused == b"\1\0\6"


def test_many_heavy_calls_fill_a_block(pair: Pair) -> None:
    # three set_code fit neither as normal nor as operational calls
    for number in range(1, 4):
        pair.submit(pair.accounts[number], "System", "set_code", {"code": b"no runtime"})
    assert [outcome.error or outcome.refused for outcome in pair.seal()] == ["BadOrigin", b"\1\0\6", b"\1\0\6"]


def test_root_writes_raw_storage(pair: Pair) -> None:
    keys = [b"raw " + bytes([number]) for number in range(6)]
    pair.sudo("System", "set_storage", {"items": [(key, b"value") for key in keys]})
    pair.sudo("System", "kill_storage", {"keys": [keys[1]]})
    assert all(outcome.ok for outcome in pair.seal())
    pair.sudo("System", "set_storage", {"items": [(b"raw new", b"of this block"), (keys[2], b"other")]})
    pair.sudo("System", "kill_prefix", {"prefix": b"raw ", "subkeys": 2})
    assert all(outcome.ok for outcome in pair.seal())
    # what the block changed does not count: 0 and 2 were looked at, `new` is gone, too
    assert [key for key, _ in pair.state.items(b"raw ")] == keys[3:]
    pair.sudo("System", "kill_prefix", {"prefix": b"raw", "subkeys": 2**32 - 1})
    assert [outcome.refused for outcome in pair.seal()] == [b"\1\0\6"]
    pair.sudo("System", "kill_prefix", {"prefix": b"raw", "subkeys": 1000})
    pair.seal()
    assert pair.state.next_key(b"raw") is None or not pair.state.next_key(b"raw").startswith(b"raw")


def test_root_changes_hands(pair: Pair) -> None:
    sudo, other = pair.accounts[:2]
    assert one(pair, sudo, "Sudo", "sudo_as", who=("Id", other.id), call=("Sudo", ("remove_key", {}))).ok
    assert one(pair, sudo, "Sudo", "set_key", new=("Id", other.id)).ok
    assert one(pair, sudo, "Sudo", "remove_key").error == "Sudo.RequireSudo"
    assert one(pair, other, "Sudo", "remove_key").ok
    assert one(pair, other, "Sudo", "remove_key").error is not None
    assert pair.value("Sudo", "Key") is None


def test_upgrades_must_be_authorised(pair: Pair) -> None:
    code, account = b"no runtime", pair.accounts[1]
    assert one(pair, account, "System", "apply_authorized_upgrade", code=code).error == "System.NothingAuthorized"
    pair.sudo("System", "authorize_upgrade", {"code_hash": blake2_256(code)})
    pair.seal()
    assert one(pair, account, "System", "apply_authorized_upgrade", code=b"other").error == "System.Unauthorized"
    applied = one(pair, account, "System", "apply_authorized_upgrade", code=code)
    assert applied.ok
    assert "System.RejectedInvalidAuthorizedUpgrade" in {event.name for event in applied.events}
    assert one(pair, pair.accounts[2], "System", "set_code", code=code).error == "BadOrigin"
    pair.sudo("System", "set_code", {"code": code})
    assert only(pair.seal()).error == "System.FailedToExtractRuntimeVersion"


def test_fees_are_what_both_say(pair: Pair) -> None:
    extrinsic = pair.sign(pair.accounts[1], REMARK)
    before = pair.value("System", "Account", pair.accounts[1].id)["data"]["free"]
    pair.queue(extrinsic)
    pair.seal()
    after = pair.value("System", "Account", pair.accounts[1].id)["data"]["free"]
    assert before - after == 108_157_000 + 200_000_000 + 10**6 * len(extrinsic)


@pytest.mark.parametrize("patch", [{}, {"sudo": {"key": None}}, {"transactionPayment": {"multiplier": "5"}}])
def test_genesis_and_the_block_hash_of_many_blocks(patch: dict[str, Any]) -> None:
    pair = Pair(accounts=3, patch=patch)
    one(pair, pair.accounts[1], "System", "remark_with_event", remark=b"hello")
    pair.seal_many(3)


RUNTIME_APIS = [
    *("Core_version", "Metadata_metadata", "Metadata_metadata_versions", "GenesisBuilder_preset_names"),
    *("AuraApi_slot_duration", "AuraApi_authorities", "AccountNonceApi_account_nonce", "GenesisBuilder_get_preset"),
    *("Metadata_metadata_at_version", "BlockBuilder_inherent_extrinsics", "BlockBuilder_check_inherents"),
    *("TransactionPaymentApi_query_info", "TransactionPaymentApi_query_fee_details"),
    *("TransactionPaymentApi_query_weight_to_fee", "TransactionPaymentApi_query_length_to_fee"),
    *("TransactionPaymentCallApi_query_call_info", "TransactionPaymentCallApi_query_call_fee_details"),
    *("TransactionPaymentCallApi_query_weight_to_fee", "TransactionPaymentCallApi_query_length_to_fee"),
    *("SessionKeys_generate_session_keys", "SessionKeys_decode_session_keys", "OffchainWorkerApi_offchain_worker"),
    *("Nope_nope", "TaggedTransactionQueue_validate_transaction"),
]


def arguments() -> list[bytes]:
    pair = quiet_pair()
    signed, bare = pair.sign(pair.accounts[1], REMARK, nonce=0), prefixed(b"\5" + REMARK)
    header = bytes(32) + compact(1) + bytes(64) + b"\0"
    moment = compact(1) + b"timstap0" + prefixed((7_000).to_bytes(8, "little"))
    sets = [prefixed(b"\5\1\0" + compact(now)) for now in (0, 7_000, 37_000, 37_001, 10**6)]
    return [
        *(b"", b"\0", b"\1", b"\0\0", bytes(32), bytes(33), pair.accounts[1].id, b"\1\x2cdevelopment", b"\1\4x"),
        *(version.to_bytes(4, "little") for version in range(18)),
        *(one + (100).to_bytes(4, "little") for one in (signed, bare, REMARK, b"\4\4", b"\x13" + b"\xff" * 8 + b"\4")),
        *(b"\4\4", b"\x13" + b"\xff" * 8 + b"\4", b"\2" + signed + bytes(32), b"\3" + signed + bytes(32)),
        *(header, header + b"\0", moment, compact(0), compact(1) + b"timstap1" + prefixed(bytes(8))),
        *(header + compact(1) + one + moment for one in (*sets, signed, bare)),
        *(header + compact(0) + moment, header + compact(0) + compact(0), header + compact(1) + bare + compact(0)),
        *(header + compact(1) + sets[0] + compact(0), header + compact(2) + sets[1] + sets[1] + moment),
    ]


@pytest.mark.parametrize("name", RUNTIME_APIS)
def test_runtime_apis_answer_alike(name: str) -> None:
    pair = quiet_pair()
    for data in arguments():
        pair.api(name, data)


def test_the_registry_has_every_call() -> None:
    """Each call that the metadata names decodes in the model: with zeros for arguments it is known, or both refuse it."""
    pair = quiet_pair()
    for (pallet, name), (head, _) in sorted(names().calls.items()):
        if (pallet, name) not in {("System", "set_code_without_checks")}:
            pair.api("TransactionPaymentCallApi_query_call_info", head + bytes(600))
            for size in (0, 1, 4, 8, 16, 17, 33, 34, 50, 64, 65, 100):
                pair.api("TransactionPaymentCallApi_query_call_info", head + bytes(size) + (9).to_bytes(4, "little"))
            source = random.Random(hashlib.blake2b(name.encode(), digest_size=8).digest())
            for _ in range(8):
                pair.api("TransactionPaymentCallApi_query_call_info", head + source.randbytes(source.randrange(200)))
