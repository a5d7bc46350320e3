"""Storage proofs: made of the openings of a hoster's sectors, and taken apart into those of another's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from service.chain_client.pallet.types import Sample, Segment, StorageProof
from service.encoding import Opening, OpeningError, contract_id, derive_ctx
from service.encoding.multiproof import join, needed, split


def storage_proof(samples: Sequence[Sample], openings: Sequence[Opening], sectors: Mapping[int, int]) -> StorageProof:
    """Return the answer to samples, in their order, of an opening of each; `sectors` are those of each segment.

    Raises OpeningError if an opening has not the siblings that its segment prescribes.
    """
    by_segment: dict[int, list[Opening]] = defaultdict(list)
    for sample, opening in zip(samples, openings, strict=True):
        by_segment[sample.segment].append(opening)
    siblings = (sibling for number, of in by_segment.items() for sibling in join(sectors[number], of))
    return StorageProof(tuple(opening.data for opening in openings), tuple(siblings))


def openings_of(
    genesis: bytes, hoster: bytes, samples: Sequence[Sample], segments: Mapping[int, Segment], proof: StorageProof
) -> list[Opening]:
    """Return the openings of a hoster's samples, in their order, out of its proof. Each leads to its segment's root.

    `samples` and `segments` must be those of the chain when it took the proof. Raises OpeningError.
    """
    if len(proof.sectors) != len(samples):
        raise OpeningError(f"{len(samples)} samples need as many sectors, not {len(proof.sectors)}")
    opened: dict[int, dict[int, bytes]] = defaultdict(dict)
    for sample, data in zip(samples, proof.sectors, strict=True):
        opened[sample.segment][sample.sector] = data
    found, left = [], proof.siblings
    for number, data_of in opened.items():
        segment = segments.get(number)
        if segment is None or segment.salt is None:
            raise OpeningError(f"segment {number} is not on the chain")
        count = len(needed(data_of, segment.sectors))
        ctx = derive_ctx(
            contract_id=contract_id(genesis, segment.copy),
            encoder=segment.encoder,
            hoster=hoster,
            pk_hash=segment.pk_hash,
            salt=segment.salt,
        )
        root, openings = split(ctx, segment.sectors, data_of, left[:count])
        if root != segment.root:
            raise OpeningError(f"sectors of segment {number} do not lead to the root {segment.root.hex()}")
        found += openings
        left = left[count:]
    if left:
        raise OpeningError(f"{len(left)} siblings are left over")
    return found
