"""The encoding profiles: the trapdoor permutation that a profile byte stands for, and its number of rounds."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ProfileError, SectorError

SECTOR = 256  # bytes; a sector is one RSA element and one leaf of the segment's tree
MAX_SECTORS = 1 << 30  # 256 GiB, the longest stream a plan may have
SAFE_EXPONENT = 65537


@dataclass(frozen=True)
class Profile:
    """One row of the profile table: RSA of `bits` bits with public exponent `e`, applied in `rounds` rounds.

    Raises ProfileError if rounds·(1 − 1/e) <= 1 with e < 65537: a known root of a small exponent can be stored in a
    fraction 1 − 1/e of its size, so a hoster could keep less than it is paid for.
    """

    id: int
    bits: int
    e: int
    rounds: int

    def __post_init__(self) -> None:
        if not 0 <= self.id <= 255:
            raise ProfileError(f"profile {self.id}: its number must fit into one byte")
        if self.bits != SECTOR * 8:
            raise ProfileError(f"profile {self.id}: {self.bits}-bit elements do not fill sectors of {SECTOR} bytes")
        if self.e < 3 or self.e % 2 == 0 or self.rounds < 1:
            raise ProfileError(
                f"profile {self.id}: e = {self.e} with {self.rounds} rounds is not a trapdoor permutation"
            )
        if self.rounds * (self.e - 1) <= self.e and self.e < SAFE_EXPONENT:
            raise ProfileError(
                f"profile {self.id}: {self.rounds} rounds with e = {self.e} can be compressed"
                f" (rounds·(1 − 1/e) must exceed 1, or e be at least {SAFE_EXPONENT})"
            )


P1 = Profile(id=1, bits=2048, e=3, rounds=2)
PROFILES = {profile.id: profile for profile in (P1,)}


def get_profile(number: int) -> Profile:
    """Return the profile that the byte `number` stands for. Raises ProfileError if there is none."""
    try:
        return PROFILES[number]
    except KeyError:
        raise ProfileError(f"profile {number} is unknown (known: {', '.join(map(str, PROFILES))})") from None


def sector_count(length: int) -> int:
    """Return how many sectors `length` bytes fill, with the last one padded."""
    return -(-length // SECTOR)


def check_run(first_sector: int, data: bytes) -> None:
    """Raise SectorError unless `data` is whole sectors, all with an index that a segment can have."""
    if len(data) % SECTOR:
        raise SectorError(f"a run of {len(data)} bytes is not whole sectors of {SECTOR}")
    last = first_sector + len(data) // SECTOR
    if first_sector < 0 or last > MAX_SECTORS:
        raise SectorError(f"sectors {first_sector} to {last} are outside the range 0 to {MAX_SECTORS} of a segment")
