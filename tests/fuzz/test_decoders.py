"""Random and mutated bytes for every decoder of strangers' bytes, and the inputs that a longer search has kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .decoders import decoders

KEPT = Path(__file__).parent / "kept"
NAMES = sorted(decoders())


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Valid bytes with some replaced, cut out, or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.one_of(st.binary(max_size=9), st.sampled_from([b"\xff" * 9, b"\xfe\xff\xff\xff\xff", b"\0"])))
        data[at : at + draw(st.integers(0, 9))] = piece
    return bytes(data)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_decode(name: str) -> None:
    decoder = decoders()[name]
    assert decoder.seeds
    for seed in decoder.seeds:
        decoder.run(seed)


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_are_decoded_or_refused(name: str) -> None:
    decoder = decoders()[name]

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.binary(max_size=400), mutated(decoder.seeds)))
    @example(b"")
    def decode(data: bytes) -> None:
        decoder.run(data)

    decode()


def test_kept_inputs_are_decoded_or_refused() -> None:
    kept = sorted(KEPT.glob("*/*"))
    assert {path.parent.name for path in kept} <= set(NAMES)
    for path in kept:
        decoders()[path.parent.name].run(path.read_bytes())
