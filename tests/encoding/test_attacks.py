"""The attacks of docs/protocol/encoding.md section 11, A1 to A7 and those named after them.

Not here, because another room decides them: refusing a modulus seen before, an encoder that is its own hoster, and the
samples of a storage challenge are the chain's; erasure coding does not exist.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, replace
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from service.encoding import (
    P1,
    SECTOR,
    Frontier,
    Opening,
    OpeningError,
    PaddingError,
    PrivateKey,
    Profile,
    ProfileError,
    SectorDecoder,
    SectorEncoder,
    check_padding,
    contract_id,
    derive_ctx,
    derive_salt,
    leaf_hash,
    pad,
    pk_hash,
    verify_opening,
)
from service.encoding.keys import CrtKey
from service.encoding.permutation import permute, round_keys
from service.encoding.rsa import apply_sectors

pytestmark = pytest.mark.usefixtures("codec")

NUMBERS = random.Random(20250101)


def element(n: mpz) -> mpz:
    return mpz(NUMBERS.randrange(int(n)))


def root_of(y: mpz, key: CrtKey) -> mpz:
    return gmpy2.powmod(y, key.d, key.n)


def blake(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def words(data: bytes) -> set[bytes]:
    return {data[i : i + 8] for i in range(0, len(data), 8)}


# ---------------------------------------------------------------- A1: compressing a known root


def compress_root(x: mpz, n: mpz, e: int) -> mpz:
    """Bleichenbacher: x = a/b mod N with |a| <= N^(1/e); b alone is kept."""
    bound = gmpy2.iroot(n, e)[0]
    r0, r1, t0, t1 = n, x, mpz(0), mpz(1)
    while r1 > bound:
        quotient = r0 // r1
        r0, r1, t0, t1 = r1, r0 - quotient * r1, t1, t0 - quotient * t1
    return t1


def expand_root(y: mpz, b: mpz, n: mpz, e: int) -> mpz | None:
    """The root of y from b: a^e = b^e·y mod N is an e-th power over the integers."""
    value = gmpy2.powmod(abs(b), e, n) * y % n
    for candidate, sign in ((value, 1), (n - value, -1)):
        a, exact = gmpy2.iroot(candidate, e)
        if exact:
            x = sign * a * gmpy2.invert(abs(b), n) % n
            return next((z for z in (x, n - x) if gmpy2.powmod(z, e, n) == y), None)
    return None


def test_a1_one_round_with_e_3_saves_a_third_and_no_profile_allows_it(key: PrivateKey) -> None:
    crt, stored = key.crt, 0
    for _ in range(10):
        y = element(crt.n)
        x = root_of(y, crt)
        b = compress_root(x, crt.n, 3)
        assert expand_root(y, b, crt.n, 3) == x
        stored += (abs(b).bit_length() + 8) // 8
    assert stored < 0.68 * 10 * SECTOR
    with pytest.raises(ProfileError):
        replace(P1, rounds=1)


def test_a1_two_rounds_hide_the_second_element(key: PrivateKey, salt: bytes) -> None:
    """Both roots must be kept, compressed to two thirds each: more than the sector itself."""
    crt, sizes = key.crt, []
    plain = NUMBERS.randbytes(SECTOR)
    y = mpz.from_bytes(permute(plain, round_keys(salt, 1, 0, 1)), "big")
    middle = root_of(y, crt)
    second = mpz.from_bytes(permute(middle.to_bytes(SECTOR, "big"), round_keys(salt, 2, 0, 1)), "big")
    encoded = root_of(second, crt)
    assert encoded.to_bytes(SECTOR, "big") == SectorEncoder(salt, key).encode(0, plain)
    for x in (middle, encoded):
        sizes.append(abs(compress_root(x, crt.n, 3)).bit_length() / 8)
    assert sum(sizes) > 1.3 * SECTOR
    assert P1.rounds * (1 - 1 / P1.e) > 1


# ---------------------------------------------------------------- A2: cutting bits off and searching them


def test_a2_each_bit_cut_off_doubles_the_search(segment: Any, ctx: bytes) -> None:
    """With the leaf's hash kept as a test, t bits cost 2^t hashes: 8 bits, 0.4 % of a sector, are all that is cheap."""
    sector = segment.encoded[:SECTOR]
    wanted, trials = leaf_hash(ctx, 0, sector), 0
    for last in range(256):
        trials += 1
        if leaf_hash(ctx, 0, sector[:-1] + bytes([last])) == wanted:
            break
    assert trials == sector[-1] + 1
    assert 8 / (8 * SECTOR) < 0.01
    bits_for_one_percent = 0.01 * 8 * SECTOR
    assert 2**bits_for_one_percent > 10**6


# ---------------------------------------------------------------- A3: data chosen for a known salt


def test_a3_data_chosen_after_the_salt_costs_nothing_but_a_fresh_salt_undoes_it(key: PrivateKey, salt: bytes) -> None:
    generated = hashlib.shake_128(b"32 bytes are all the hoster keeps").digest(SECTOR * 8)
    data = SectorDecoder(salt, key.modulus).decode(0, generated)
    assert SectorEncoder(salt, key).encode(0, data) == generated  # why the order of commitments is security
    fresh = SectorEncoder(blake(salt), key).encode(0, data)
    assert not words(fresh) & words(generated)


def test_a3_the_salt_depends_on_everything_that_must_be_fixed_before(key: PrivateKey) -> None:
    names = ("genesis", "contract_id", "encoder", "hoster", "feed_key", "feed_root", "chain_rand", "pk_hash")
    given = {name: blake(name.encode()) for name in names}
    salts = {derive_salt(**given)}  # type: ignore[arg-type]
    salts |= {derive_salt(**{**given, name: blake(given[name])}) for name in names}  # type: ignore[arg-type]
    salts.add(derive_salt(**given, profile=Profile(2, 2048, 65537, 1)))
    assert len(salts) == 1 + len(names) + 1


# ---------------------------------------------------------------- A4: one modulus, two exponents


def test_a4_one_value_serves_two_exponents_but_no_element_occurs_under_both(key: PrivateKey, salt: bytes) -> None:
    primes = []
    while len(primes) < 2:
        prime = gmpy2.next_prime((mpz(1) << 1024) - 1 - (NUMBERS.getrandbits(958) << 1))
        if prime < mpz(1) << 1024 and prime % 3 == 2 and prime % 5 != 1:
            primes.append(prime)
    three, five = (CrtKey.from_primes(primes, e) for e in (3, 5))
    y = element(three.n)
    x3, x5 = root_of(y, three), root_of(y, five)
    both = gmpy2.invert(x3, three.n) * gmpy2.powmod(x5, 2, three.n) % three.n  # y^(1/15)
    assert gmpy2.powmod(both, 5, three.n) == x3
    assert gmpy2.powmod(both, 3, three.n) == x5
    # The chain refuses a modulus seen before, and the salt covers the exponent, so that the elements differ anyway:
    other = Profile(2, 2048, 65537, 1)
    assert pk_hash(key.modulus) != pk_hash(key.modulus, other)
    plain = NUMBERS.randbytes(SECTOR)
    first, second = (permute(plain, round_keys(blake(salt, bytes([i])), 1, 0, 1)) for i in range(2))
    assert not words(first) & words(second)


# ---------------------------------------------------------------- A5: products


def test_a5_roots_multiply_but_permuted_sectors_do_not(key: PrivateKey, salt: bytes) -> None:
    crt = key.crt
    y1, y2 = element(crt.n), element(crt.n)
    assert root_of(y1 * y2 % crt.n, crt) == root_of(y1, crt) * root_of(y2, crt) % crt.n
    run = b"".join(int(y).to_bytes(SECTOR, "big") for y in (y1, y2, y1 * y2 % crt.n))
    encoded = SectorEncoder(salt, key).encode(0, run)
    x1, x2, x3 = (mpz.from_bytes(encoded[i : i + SECTOR], "big") for i in range(0, len(encoded), SECTOR))
    assert x3 != x1 * x2 % crt.n
    permuted = permute(run, round_keys(salt, 1, 0, 3))
    z1, z2, z3 = (mpz.from_bytes(permuted[i : i + SECTOR], "big") for i in range(0, len(permuted), SECTOR))
    assert z3 != z1 * z2 % crt.n


# ---------------------------------------------------------------- A6: answers that are not the sector


@dataclass(frozen=True)
class Stored:
    """A hoster's segment: sectors, context, levels of its tree, root."""

    encoded: bytes
    ctx: bytes
    levels: list[list[bytes]]
    root: bytes

    @classmethod
    def of(cls, encoded: bytes, ctx: bytes) -> Stored:
        count = len(encoded) // SECTOR
        levels = [[leaf_hash(ctx, i, encoded[i * SECTOR : (i + 1) * SECTOR]) for i in range(count)]]
        while len(levels[-1]) > 1:
            below = levels[-1]
            above = [blake(b"\1", below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
            levels.append(above + below[len(below) & ~1 :])
        tree = Frontier(ctx)
        tree.append(encoded)
        return cls(encoded, ctx, levels, tree.root())

    @property
    def sectors(self) -> int:
        return len(self.levels[0])

    def siblings(self, i: int) -> tuple[bytes, ...]:
        found = []
        for level in self.levels[:-1]:
            if i ^ 1 < len(level):
                found.append(level[i ^ 1])
            i //= 2
        return tuple(found)

    def opening(self, i: int) -> Opening:
        return Opening(i, self.encoded[i * SECTOR : (i + 1) * SECTOR], self.siblings(i))

    def accepts(self, opening: Opening) -> bool:
        try:
            verify_opening(self.ctx, self.sectors, self.root, opening)
        except OpeningError:
            return False
        return True


@pytest.fixture(scope="module")
def mine(segment: Any, ctx: bytes) -> Stored:
    return Stored.of(segment.encoded, ctx)


@pytest.fixture(scope="module")
def theirs(segment: Any, ctx: bytes, salt: bytes, other_key: PrivateKey) -> Stored:
    """Another hoster's copy of the same plaintext."""
    encoded = SectorEncoder(blake(salt), other_key).encode(0, segment.plain)
    return Stored.of(encoded, blake(ctx))


def test_a6_nothing_but_the_sector_itself_answers_for_it(segment: Any, mine: Stored, theirs: Stored) -> None:
    plain = segment.plain
    for i in (0, 5, 38, 39):
        good = mine.opening(i)
        assert mine.accepts(good)
        other = (i + 1) % mine.sectors
        lies = [
            replace(good, data=plain[i * SECTOR : (i + 1) * SECTOR]),
            replace(good, data=theirs.opening(i).data),
            theirs.opening(i),
            replace(theirs.opening(i), data=good.data),
            replace(mine.opening(other), sector=i),
            replace(good, data=mine.opening(other).data),
            replace(good, siblings=good.siblings[:-1]),
            replace(good, siblings=good.siblings[1:]),
        ]
        assert not any(mine.accepts(lie) for lie in lies)


def test_a6_an_inner_node_is_no_leaf(mine: Stored) -> None:
    """Two children, filled up to a sector, one level higher and at half the index."""
    for i in (0, 2, 19):
        children = b"".join(mine.levels[0][2 * i : 2 * i + 2]).ljust(SECTOR, b"\0")
        assert not mine.accepts(Opening(i, children, mine.siblings(2 * i)[1:]))
        assert not mine.accepts(Opening(i, children, mine.siblings(i)))


def test_a6_copies_share_nothing(segment: Any, mine: Stored, theirs: Stored, key: PrivateKey, salt: bytes) -> None:
    plain = segment.plain
    shifted = SectorEncoder(salt, key).encode(1, plain)
    resalted = SectorEncoder(blake(salt), key).encode(0, plain)
    copies = [mine.encoded, theirs.encoded, shifted, resalted]
    assert all(not words(a) & words(b) for i, a in enumerate(copies) for b in copies[:i])


def test_a6_wrong_key_salt_or_index_decode_to_rubbish(
    segment: Any, mine: Stored, key: PrivateKey, other_key: PrivateKey, salt: bytes
) -> None:
    plain = segment.plain
    assert SectorDecoder(salt, key.modulus).decode(0, mine.encoded) == plain
    for decoded in (
        SectorDecoder(salt, other_key.modulus).decode(0, mine.encoded),
        SectorDecoder(blake(salt), key.modulus).decode(0, mine.encoded),
        SectorDecoder(salt, key.modulus).decode(1, mine.encoded),
    ):
        assert not words(decoded) & words(plain)


# ---------------------------------------------------------------- A7: elements from the modulus on


def test_a7_elements_not_below_the_modulus_stay_as_they_are(key: PrivateKey) -> None:
    """Fewer than one in 2^60; encoding's side is in the vectors."""
    n = key.crt.n
    for y in (n, n + 1, (mpz(1) << 2048) - 1):
        sector = int(y).to_bytes(SECTOR, "big")
        assert apply_sectors([sector], n, 3) == [sector]
    assert (mpz(1) << 2048) - n < mpz(1) << (2048 - 60)


# ---------------------------------------------------------------- hosters that keep less, or share


def test_decoded_data_and_one_sector_answer_for_that_sector_only(segment: Any, mine: Stored) -> None:
    """The plaintext, the whole tree and sector 11: a hoster that serves readers well and cheats the chain."""
    plain = segment.plain
    kept = {11: mine.opening(11).data}

    def answer(i: int) -> Opening:
        return Opening(i, kept.get(i, plain[i * SECTOR : (i + 1) * SECTOR]), mine.siblings(i))

    assert [i for i in range(mine.sectors) if mine.accepts(answer(i))] == [11]


def test_two_hosters_with_one_disk(mine: Stored, theirs: Stored) -> None:
    """Whatever of the other's sectors, nodes and whole openings is offered, one copy does not answer for two."""
    for i in range(mine.sectors):
        for lie in (
            theirs.opening(i),
            replace(theirs.opening(i), data=mine.opening(i).data),
            Opening(i, theirs.opening(i).data, mine.siblings(i)),
        ):
            assert not mine.accepts(lie)
    stolen = Stored.of(mine.encoded, theirs.ctx)  # the same bytes under one's own context have another root
    assert not {node for level in stolen.levels for node in level} & {node for level in mine.levels for node in level}
    assert stolen.root != mine.root
    assert not theirs.accepts(stolen.opening(3))


def test_an_answer_for_another_contract_or_segment(mine: Stored, ctx: bytes) -> None:
    """The context names contract, parties, modulus and salt, so an answer is worth nothing elsewhere."""
    genesis = blake(b"genesis")
    ids = [contract_id(genesis, 0), contract_id(genesis, 1), contract_id(blake(genesis), 0)]
    assert len(set(ids)) == 3
    given = {name: blake(name.encode()) for name in ("contract_id", "encoder", "hoster", "pk_hash", "salt")}
    contexts = {derive_ctx(**given), derive_ctx(**given, profile=Profile(2, 2048, 65537, 1))}  # type: ignore[arg-type]
    contexts |= {derive_ctx(**{**given, name: blake(given[name])}) for name in given}  # type: ignore[arg-type]
    assert len(contexts) == 7
    for other in contexts:
        assert not replace(mine, ctx=other).accepts(mine.opening(4))
        elsewhere = Stored.of(mine.encoded, other)
        assert not elsewhere.accepts(mine.opening(4))
        assert not mine.accepts(elsewhere.opening(4))


def test_one_sector_does_not_answer_twice(mine: Stored) -> None:
    """Two samples, both answered with the opening of one: indices come from the chain, not from the answer."""
    samples = (8, 9)
    answers = [replace(mine.opening(8), sector=sample) for sample in samples]
    assert [mine.accepts(answer) for answer in answers] == [True, False]


def test_an_old_answer_does_not_fit_a_new_sample(mine: Stored) -> None:
    old = mine.opening(17)
    assert not any(mine.accepts(replace(old, sector=sample)) for sample in range(mine.sectors) if sample != 17)


def test_a_root_over_rubbish_is_found_by_decoding(segment: Any, mine: Stored, key: PrivateKey, salt: bytes) -> None:
    """Every opening passes, as the chain never decodes; whoever does compares with the feed and sees it."""
    rubbish = Stored.of(hashlib.shake_128(b"rubbish").digest(len(mine.encoded)), mine.ctx)
    assert all(rubbish.accepts(rubbish.opening(i)) for i in range(rubbish.sectors))
    decoded = SectorDecoder(salt, key.modulus).decode(0, rubbish.encoded)
    plain = segment.plain
    assert not any(decoded[i : i + SECTOR] == plain[i : i + SECTOR] for i in range(0, len(plain), SECTOR))


def test_padding_that_is_not_zero_is_found(key: PrivateKey, salt: bytes) -> None:
    encoder, decoder = SectorEncoder(salt, key), SectorDecoder(salt, key.modulus)
    for hidden in (pad(b"tail")[:-1] + b"\1", b"tail\1" + bytes(251)):
        with pytest.raises(PaddingError):
            check_padding(decoder.decode(2, encoder.encode(2, hidden)), 4)
    check_padding(decoder.decode(2, encoder.encode(2, pad(b"tail"))), 4)


# ---------------------------------------------------------------- sampling


@pytest.mark.parametrize(
    ("missing", "samples", "expected"),
    [(0.01, 8, 0.077), (0.01, 32, 0.275), (0.05, 16, 0.560), (0.1, 8, 0.570), (0.25, 8, 0.900), (0.5, 8, 0.996)],
)
def test_how_often_a_hoster_that_lacks_sectors_is_caught(missing: float, samples: int, expected: float) -> None:
    """4,000 challenges drawn as the chain draws, from fixed seeds: within five standard deviations of 1 − (1 − δ)^k."""
    assert 1 - (1 - missing) ** samples == pytest.approx(expected, abs=0.001)
    sectors, runs, caught = 100_000, 4_000, 0
    for run in range(runs):
        seed = blake(b"challenge", run.to_bytes(4, "little"))
        drawn = (int.from_bytes(blake(seed, j.to_bytes(4, "little"))[:16], "little") % sectors for j in range(samples))
        caught += any(sector < missing * sectors for sector in drawn)
    deviation = (expected * (1 - expected) / runs) ** 0.5
    assert abs(caught / runs - expected) < 5 * deviation + 0.001
