"""Modified peers: roles of the product with one duty each that they do not do, or do otherwise."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from service.chain_client import Block, DispatchError
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import Copy, Plan, Sample, StorageProof
from service.encoding import Opening, PrivateKey
from service.encoding.merkle import leaf_hashes, parents
from service.encoding.pool import ENCODE_RUN, Digest, Pieces, Read, Run, cut_runs, read_and_decoded
from service.encoding.profiles import P1, SECTOR, Profile
from service.encoding.progress import Progress, ProgressMeter
from service.hypercore.net import Connection
from service.node.run import NodeRole
from service.ports import Codec, SectorStream
from service.protocols.copy.job import SegmentJob
from service.protocols.copy.messages import Checkpoint
from service.roles.attester.committee import read_target
from service.roles.attester.decisions import MakeProbe
from service.roles.attester.probe import Measured, probe
from service.roles.attester.role import AttesterRole
from service.roles.common.context import Context
from service.roles.common.database import Database
from service.roles.common.segment_jobs import read_job
from service.roles.encoder.decisions import EncodeSegment
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.decisions import AnswerChallenge, ConfirmSegment
from service.roles.hoster.feeds import HostedFeeds
from service.roles.hoster.losses import Losses
from service.roles.hoster.role import ChallengeFailed, HosterRole
from service.roles.hoster.sectors import segment_path
from service.roles.hoster.store import HostedCopies


class PlainCopies(HostedCopies):
    """Copies of which the plaintext is kept beside the sectors, or in their place."""

    def plain_path(self, job: SegmentJob) -> Path:
        """Where a segment's plaintext is."""
        return self._path(job).with_suffix(".plain")

    def keep_plain(self, job: SegmentJob) -> None:
        """Decode a whole segment."""
        self.plain_path(job).write_bytes(super()._decode(job, 0, job.length))

    def _decode(self, job: SegmentJob, start: int, end: int) -> bytes:
        path = self.plain_path(job)
        return path.read_bytes()[start:end] if path.exists() else super()._decode(job, start, end)

    async def fetch(self, codec: Codec, copy: int, start: int, end: int, digest: Digest) -> tuple[bytes, bytes]:
        """See HostedCopies."""
        data = await asyncio.to_thread(self.plain, copy, start, end)
        return data, digest(data)


class NothingIsLost(Losses):
    """Never admits a loss."""

    def suspect(self, copy: int, now: int, why: str, by_root: bool = True) -> None:
        """See Losses."""


class Forgetful(HosterRole):
    """Makes a copy as it must, then spoils its sectors, and serves readers from the plaintext."""

    declares = False
    """Whether it says that it lost a copy as soon as it is asked for what it dropped."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._hosted = self._plain = PlainCopies(context.directory, context.database)
        self._feeds = HostedFeeds(context.store, self._plain, context.pool, context.directory, lambda copy, why: None)
        if not self.declares:
            self._losses = NothingIsLost(context.client.times)

    async def _step(self, block: Block) -> None:
        await super()._step(block)
        for copy in self._plain.copies():
            for hosted in self._plain.segments(copy):
                job = hosted.job
                if job.segment in self._roots and not self._plain.plain_path(job).exists():
                    self._plain.keep_plain(job)
                    self._spoil(job, segment_path(self._context.directory, job.copy, job.segment))

    def _spoil(self, job: SegmentJob, path: Path) -> None:
        raise NotImplementedError


class PlaintextOnly(Forgetful):
    """Keeps no sector at all."""

    def _spoil(self, job: SegmentJob, path: Path) -> None:
        path.unlink()


class PlaintextDeclares(PlaintextOnly):
    """Keeps no sector, and says so when it is asked."""

    declares = True


class DropsOneInTen(Forgetful):
    """Drops every tenth sector."""

    kept = staticmethod(lambda sector: sector % 10 != 7)

    def _spoil(self, job: SegmentJob, path: Path) -> None:
        data = bytearray(path.read_bytes())
        for sector in range(len(data) // SECTOR):
            if not self.kept(sector):
                data[sector * SECTOR : (sector + 1) * SECTOR] = bytes(SECTOR)
        path.write_bytes(data)

    async def _open_sample(self, sample: Sample) -> Opening:
        if not self.kept(sample.sector):
            raise ChallengeFailed(f"sector {sample.sector} was dropped")
        return await super()._open_sample(sample)


class KeepsOneInTen(DropsOneInTen):
    """Keeps every tenth sector."""

    kept = staticmethod(lambda sector: sector % 10 == 7)


class WithoutSectors(PlaintextOnly):
    """Keeps no sector, and sends proofs all the same."""

    async def _prove(self, action: AnswerChallenge) -> int | None:
        openings = [await self._false_opening(sample) for sample in action.samples]
        call = calls.submit_storage_proof(action.issued, await self._proof_of(action.samples, openings))
        try:
            return (await self._context.signer.submit(call)).block.number  # type: ignore[union-attr]
        except DispatchError as error:
            raise ChallengeFailed(f"the chain refused it: {error}") from error

    async def _false_opening(self, sample: Sample) -> Opening:
        raise NotImplementedError

    def _from_file(self, sample: Sample, path: Path) -> Opening:
        """Open a sector of another copy's file as if it were the sample's."""
        job = next(one.job for one in self._plain.segments(sample.copy) if one.job.segment == sample.segment)
        return opened(job.ctx, path.read_bytes(), sample.sector)


class SharesADisk(WithoutSectors):
    """Opens the sectors that its neighbour stores for the same plan: one disk for two."""

    async def _false_opening(self, sample: Sample) -> Opening:
        me = self._context.directory.parent
        neighbour = me.parent / ("hoster-1" if me.name != "hoster-1" else "hoster-2")
        copies = await self._context.client.storage.all_copies()
        plan = copies[sample.copy].plan
        found = [
            path
            for number, copy in sorted(copies.items())
            if copy.plan == plan
            for path in neighbour.glob(f"*/copies/{number}/*.sectors")
        ]
        if not found:
            raise ChallengeFailed("the neighbour has no such copy")
        return self._from_file(sample, found[0])


class AnswersForAnother(WithoutSectors):
    """Stores its first copy only, and opens its sectors whatever copy it is asked for."""

    def _spoil(self, job: SegmentJob, path: Path) -> None:
        if job.copy != min(self._plain.copies()):
            path.unlink()

    async def _false_opening(self, sample: Sample) -> Opening:
        first = min(self._plain.copies())
        if sample.copy == first:
            return await self._open_sample(sample)
        (path,) = (self._context.directory / "copies" / str(first)).glob("*.sectors")
        return self._from_file(sample, path)


class Replays(WithoutSectors):
    """Answers its first challenge, drops everything, and sends the same answer to each that comes."""

    _proof: StorageProof | None = None

    def _spoil(self, job: SegmentJob, path: Path) -> None:
        pass

    async def _prove(self, action: AnswerChallenge) -> int | None:
        if self._proof is None:
            found = [await self._open_sample(sample) for sample in action.samples]
            self._proof = await self._proof_of(action.samples, found)
            block = await HosterRole._prove(self, action)
            for path in self._context.directory.glob("copies/*/*.sectors"):
                path.unlink()
            return block
        call = calls.submit_storage_proof(action.issued, self._proof)
        try:
            return (await self._context.signer.submit(call)).block.number  # type: ignore[union-attr]
        except DispatchError as error:
            raise ChallengeFailed(f"the chain refused it: {error}") from error


class ReplaysStatements(HosterRole):
    """Confirms each new segment at once, with the root and the signature of its first one."""

    _signed: Checkpoint | None = None
    _tried: frozenset[int] = frozenset()

    async def _confirm(self, action: ConfirmSegment) -> int | None:
        self._signed = self._signed or action.checkpoint
        return await super()._confirm(action)

    async def _step(self, block: Block) -> None:
        await super()._step(block)
        for number, job in list(self._jobs.items()):
            if self._signed is None or job.segment in self._tried:
                continue
            self._tried |= {job.segment}
            old = self._signed
            call = calls.confirm_segment(number, job.segment, job.length, old.root, old.signature)
            with suppress(DispatchError):
                await self._context.signer.submit(call)


def opened(ctx: bytes, data: bytes, sector: int) -> Opening:
    """Open a sector of some data in the tree of a context, whatever root it leads to."""
    level, at, siblings = leaf_hashes(ctx, 0, data), sector, []
    at = min(at, len(level) - 1)
    chunk = data[at * SECTOR : (at + 1) * SECTOR]
    while len(level) > 1:
        if at ^ 1 < len(level):
            siblings.append(level[at ^ 1])
        level, at = parents(level), at // 2
    return Opening(sector, chunk, tuple(siblings))


class ServesNobody(HosterRole):
    """Proves its storage, and closes the connections of all who read; encoders may come."""

    def known(self, host: str) -> bool:
        """Whether whoever connects from there is served all the same."""
        return False

    def attach(self, connection: Connection) -> None:
        """Serve encoders, and whom it knows."""
        encoders = {job.encoder.swarm_key for job in self._jobs.values()}
        if connection.remote_key in encoders or self.known(connection.host):
            super().attach(connection)
        else:
            asyncio.get_running_loop().call_soon(connection.close, "no")


class ServesTwoAttesters(ServesNobody):
    """Serves those who come from the addresses of two attesters that it knows, and nobody else."""

    def known(self, host: str) -> bool:
        return host in ("attester-1", "attester-2")


class NeverFetches(AttesterRole):
    """Reports without having asked for anything: not served."""

    async def _probe(self, action: MakeProbe, at: bytes) -> int | None:
        return None


class LiesDown(AttesterRole):
    """Fetches as it must, and reports that it was not served."""

    async def _probe(self, action: MakeProbe, at: bytes) -> int | None:
        context = self._context
        target = await read_target(context.client, action.copy, action.sector, at)
        await probe(context.transport, target, context.client.times.probe_bytes)
        return None


class LiesUp(AttesterRole):
    """Reports that it was served, and fast, without having asked for anything."""

    async def _probe(self, action: MakeProbe, at: bytes) -> int | None:
        target = await read_target(self._context.client, action.copy, action.sector, at)
        made_up = Measured(1, 1 << 20, Opening(target.sector, secrets.token_bytes(SECTOR), ()))
        self._reports.keep_probe(action.era, action.copy, action.number, target.segment, made_up)
        return None


class Stalls(EncoderRole):
    """Begins its segments, and never sends a sector."""

    async def _encode(self, action: EncodeSegment, copy: Copy, plan: Plan, block: Block) -> int | None:
        await asyncio.Event().wait()
        return None


# ---- a hoster and an encoder that are one party


class Rubbish:
    """What a party has in common: the plaintext of its segments by their salts, and what its sectors are instead.

    No sector is encoded. It is a hash of the salt and its number, so it need not even be sent or stored.
    """

    def __init__(self, context: Context) -> None:
        self._folder = context.directory.parent.parent / "party"
        self._folder.mkdir(exist_ok=True)

    def join(self, account: bytes) -> None:
        """Tell the others that this hoster is of the party."""
        (self._folder / f"{account.hex()}.hoster").touch()

    def has(self, account: bytes) -> bool:
        """Whether a hoster is of the party."""
        return (self._folder / f"{account.hex()}.hoster").exists()

    def plain_path(self, salt: bytes) -> Path:
        """Where a segment's plaintext is."""
        return self._folder / f"{salt.hex()}.plain"

    def keep(self, salt: bytes, run: Run) -> None:
        """Keep the plaintext of some sectors."""
        with self.plain_path(salt).open("ab") as file:
            file.truncate(run.first_sector * SECTOR)
            file.write(run.data)

    def sectors(self, salt: bytes, run: Run) -> Run:
        """What is stored in place of some sectors."""
        count = len(run.data) // SECTOR
        seeds = [salt + number.to_bytes(8) for number in range(run.first_sector, run.first_sector + count)]
        return Run(run.first_sector, b"".join(hashlib.shake_256(seed).digest(SECTOR) for seed in seeds))


class RubbishStream:
    """Keeps the plaintext that it is given, and returns rubbish."""

    def __init__(
        self, rubbish: Rubbish, salt: bytes, ctx: bytes, runs: AsyncGenerator[Run, None], meter: ProgressMeter
    ) -> None:
        self._rubbish, self._salt, self._ctx, self._runs, self._meter = rubbish, salt, ctx, runs, meter

    @property
    def progress(self) -> Progress:
        """See SectorStream."""
        return self._meter.progress

    def __aiter__(self) -> RubbishStream:
        return self

    async def __anext__(self) -> Run:
        run = await anext(self._runs)
        self._rubbish.keep(self._salt, run)
        self._meter.add(len(run.data) // SECTOR)
        stored = self._rubbish.sectors(self._salt, run)
        return replace(stored, leaves=b"".join(leaf_hashes(self._ctx, stored.first_sector, stored.data)))

    async def aclose(self) -> None:
        """See SectorStream."""
        await self._runs.aclose()


class RubbishCodec:
    """The node's codec, but for the party's segments."""

    def __init__(self, honest: Codec, rubbish: Rubbish) -> None:
        self._honest, self._rubbish = honest, rubbish
        self.spoiled: set[bytes] = set()
        """The salts of segments that are not to be encoded."""

    async def __aenter__(self) -> RubbishCodec:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Do nothing: the node ends its own."""

    def encode(
        self,
        pieces: Pieces,
        *,
        salt: bytes,
        key: PrivateKey,
        ctx: bytes = b"",
        first_sector: int = 0,
        sectors: int | None = None,
    ) -> SectorStream:
        """See Codec."""
        if salt not in self.spoiled:
            return self._honest.encode(pieces, salt=salt, key=key, ctx=ctx, first_sector=first_sector, sectors=sectors)
        meter = ProgressMeter(first_sector, sectors, asyncio.get_running_loop().time)
        return RubbishStream(self._rubbish, salt, ctx, cut_runs(pieces, first_sector, ENCODE_RUN, padded=True), meter)

    async def decode_run(
        self, first_sector: int, data: bytes, *, salt: bytes, modulus: bytes, profile: Profile = P1
    ) -> bytes:
        """See Codec: what the party's sectors stand for was never in them."""
        path = self._rubbish.plain_path(salt)
        if not path.exists():
            return await self._honest.decode_run(first_sector, data, salt=salt, modulus=modulus, profile=profile)
        return path.read_bytes()[first_sector * SECTOR :][: len(data)]

    async def decode_read(
        self, read: Read, start: int, end: int, *, salt: bytes, modulus: bytes, digest: Digest, profile: Profile = P1
    ) -> tuple[bytes, bytes]:
        """See Codec."""
        decode = partial(self.decode_run, salt=salt, modulus=modulus, profile=profile)
        return await read_and_decoded(read, start, end, decode, digest)


class RubbishCopies(PlainCopies):
    """Copies of which those of the party are served from its plaintext."""

    def __init__(self, directory: Path, database: Database, rubbish: Rubbish) -> None:
        super().__init__(directory, database)
        self._rubbish = rubbish

    def plain_path(self, job: SegmentJob) -> Path:
        """See PlainCopies."""
        return self._rubbish.plain_path(job.salt)


class ConfirmsRubbish(HosterRole):
    """Confirms what its own encoder sends, stores and proves it, and serves readers from the plaintext."""

    def __init__(self, context: Context) -> None:
        rubbish = Rubbish(context)
        rubbish.join(context.signer.account)
        super().__init__(replace(context, pool=RubbishCodec(context.pool, rubbish)))
        self._hosted = RubbishCopies(context.directory, context.database, rubbish)
        self._feeds = HostedFeeds(context.store, self._hosted, context.pool, context.directory, lambda copy, why: None)


class EncodesRubbish(EncoderRole):
    """Encodes for others as it must, and nothing at all for the hoster of its own party."""

    def __init__(self, context: Context) -> None:
        self._rubbish = Rubbish(context)
        self._codec = RubbishCodec(context.pool, self._rubbish)
        super().__init__(replace(context, pool=self._codec))

    async def _encode(self, action: EncodeSegment, copy: Copy, plan: Plan, block: Block) -> int | None:
        if self._rubbish.has(copy.hoster):
            job = await read_job(self._context.client, block.hash, action.copy, copy, plan)
            self._codec.spoiled.add(job.salt)
        return await super()._encode(action, copy, plan, block)


CHEATERS: dict[str, Callable[[Context], NodeRole]] = {
    "plaintext-only": PlaintextOnly,
    "plaintext-declares": PlaintextDeclares,
    "drops-one-in-ten": DropsOneInTen,
    "keeps-one-in-ten": KeepsOneInTen,
    "shares-a-disk": SharesADisk,
    "answers-for-another": AnswersForAnother,
    "replays": Replays,
    "replays-statements": ReplaysStatements,
    "serves-nobody": ServesNobody,
    "serves-two-attesters": ServesTwoAttesters,
    "never-fetches": NeverFetches,
    "lies-down": LiesDown,
    "lies-up": LiesUp,
    "stalls": Stalls,
    "confirms-rubbish": ConfirmsRubbish,
    "encodes-rubbish": EncodesRubbish,
}
