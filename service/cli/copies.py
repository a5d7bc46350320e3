"""The commands `datdot verify` and `datdot repair`: the copies that a hoster keeps, checked and mended as far as that goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from service.chain_client.pallet.types import Segment
from service.hypercore import Corestore
from service.node.settings import KEY_FILE, ROLES_FILE, NodeError, NodeSettings
from service.roles.common.database import Database
from service.roles.hoster import notices
from service.roles.hoster.store import HostedCopies, HostedSegment
from service.roles.hoster.trees import remedy
from service.roles.hoster.verify import CheckNotes, CopyChecker, CopyFault, FaultKind
from service.session import chain_session, client_session
from service.units import MIB, parse_size

from .failures import failure_of
from .hoster import lost_question
from .options import Directory, Json, Key, PassphraseFile
from .output import Failure, Output, configure_logging, run
from .progress import bytes_progress
from .sums import Yes, agreed_to_spend
from .unlocking import own_keys

CopyArgument = Annotated[
    int | None, typer.Argument(min=0, max=2**64 - 1, metavar="COPY", help="One copy (default: all).")
]
Rate = Annotated[str, typer.Option("--rate", metavar="SIZE", help="Bytes a second that are read at most.")]
Again = Annotated[bool, typer.Option("--again", help="Begin anew, also if a run before was cut off.")]


@dataclass(slots=True)
class CheckResult:
    """What a check found."""

    copies: int
    segments: int
    skipped: int
    bytes: int
    faults: list[CopyFault]

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        faults = [
            {"copy": one.copy, "segment": one.segment, "kind": one.kind.value, "text": one.text} for one in self.faults
        ]
        return {
            "copies": self.copies,
            "segments": self.segments,
            "skipped": self.skipped,
            "bytes": self.bytes,
            "faults": faults,
        }


class Brake:
    """A limit on bytes a second: it says for how long to wait."""

    def __init__(self, rate: int, now: float) -> None:
        self._rate, self._start, self._bytes = rate, now, 0

    def wait(self, size: int, now: float) -> float:
        """Count bytes. Return the seconds by which they came too soon."""
        self._bytes += size
        return max(0.0, self._start + self._bytes / self._rate - now)


@dataclass(slots=True)
class HosterShelf:
    """A hoster's directory, opened for reading."""

    directory: Path
    settings: NodeSettings
    hosted: HostedCopies
    checker: CopyChecker

    def segments(self, copy: int | None) -> list[HostedSegment]:
        """Return the segments of a copy, or of all. Raises NodeError if there is none of it."""
        found = [
            one for number in self.hosted.copies() if copy in (None, number) for one in self.hosted.segments(number)
        ]
        if copy is not None and not found:
            raise NodeError(f"{self.directory} has no copy {copy}: it has {self.hosted.copies() or 'none'}")
        return found


@asynccontextmanager
async def opened_shelf(directory: Path) -> AsyncIterator[HosterShelf]:
    """Open a hoster's directory, which its node may use meanwhile. Raises NodeError and DISK_ERRORS."""
    settings = NodeSettings.load(directory)
    if settings is None or not (directory / ROLES_FILE).exists():
        raise NodeError(f"{directory} is of no node that ever ran")
    with closing(Database(directory / ROLES_FILE)) as database, closing(Corestore(directory)) as store:
        hosted = HostedCopies(directory, database)
        yield HosterShelf(directory, settings, hosted, CopyChecker(directory, hosted, store))


async def check(out: Output, shelf: HosterShelf, copy: int | None, rate: int, notes: CheckNotes) -> CheckResult:
    """Check copies, at `rate` bytes a second at most. Raises NodeError and ChainError."""
    segments = shelf.segments(copy)
    async with client_session(shelf.settings.chain) as client:
        on_chain = await client.storage.segments_of([one.job.segment for one in segments])
    left = [one for one in segments if not notes.has(one)]
    found = CheckResult(len({one.job.copy for one in segments}), len(segments), len(segments) - len(left), 0, [])
    total = sum(map(shelf.checker.work, left))
    loop = asyncio.get_running_loop()
    brake = Brake(rate, loop.time())
    with bytes_progress(out, "verify") as tell:
        for one in left:
            before = len(shelf.checker.faults)
            async for size in _steps(shelf.checker, one, on_chain.get(one.job.segment)):
                found.bytes += size
                tell(found.bytes, total)
                await asyncio.sleep(brake.wait(size, loop.time()))
            if len(shelf.checker.faults) == before:
                await asyncio.to_thread(notes.keep, one)
    found.faults = list(shelf.checker.faults)
    await asyncio.to_thread(notes.clear)
    return found


async def _steps(checker: CopyChecker, one: HostedSegment, on_chain: Segment | None) -> AsyncIterator[int]:
    steps = checker.check(one, on_chain)
    while (size := await asyncio.to_thread(next, steps, None)) is not None:
        yield size


def _rate(text: str) -> int:
    try:
        found = parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(f"--rate: {error}") from error
    if found < 1:
        raise typer.BadParameter("--rate: at least one byte a second")
    return found


def _text(found: CheckResult) -> str:
    lines = [f"copy {one.copy}, segment {one.segment}: {one.kind.value}: {one.text}" for one in found.faults]
    again = f", {found.skipped} of them in a run before that was cut off" if found.skipped else ""
    lines.append(f"{found.segments} segments of {found.copies} copies checked{again}: {len(found.faults)} faults")
    return "\n".join(lines)


def verify(
    directory: Directory,
    copy: CopyArgument = None,
    rate: Rate = f"{64 * MIB}",
    again: Again = False,
    json: Json = False,
) -> None:
    """Check the copies that a hoster keeps: every sector against the root on the chain, every block against its feed."""
    out = Output(json, again="type the same command again: it goes on where it was")
    configure_logging(json)
    limit = _rate(rate)

    async def main() -> None:
        async with opened_shelf(directory) as shelf:
            notes = CheckNotes(directory)
            if not again:
                notes.load()
            found = await check(out, shelf, copy, limit, notes)
        out.result(found.shown(), _text(found))
        if found.faults:
            raise Failure(
                "damaged", "not all copies are whole: datdot repair COPY says what can be done", str(directory)
            )

    run(out, main, lambda error: failure_of(error, str(directory)))


def repair(
    directory: Directory,
    copy: Annotated[int, typer.Argument(min=0, max=2**64 - 1, metavar="COPY", help="Number of the copy.")],
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Check a copy, and do what can be done: say how to get the feed's tree back, or declare to the chain that it is lost."""
    out = Output(json)
    configure_logging(json)

    async def look() -> tuple[NodeSettings, CheckResult, str]:
        async with opened_shelf(directory) as shelf:
            notes = CheckNotes(directory)
            found = await check(out, shelf, copy, 1 << 40, notes)
            return shelf.settings, found, remedy(shelf.segments(copy)[-1].job, directory)

    async def main() -> None:
        settings, found, fetch = await look()
        kinds = {one.kind for one in found.faults}
        if FaultKind.UNREADABLE in kinds and FaultKind.LOST not in kinds:
            text = f"{_text(found)}\nthe disk did not give it all: repair the disk and try again; nothing is declared"
            out.result(found.shown() | {"done": "nothing"}, text)
            return
        if FaultKind.LOST not in kinds:
            done, text = ("fetch", f"{_text(found)}\n{fetch}") if kinds else ("nothing", f"copy {copy} is whole")
            out.result(found.shown() | {"done": done, "remedy": fetch if kinds else ""}, text)
            return
        if json and not yes:  # a program that only looks signs nothing by that
            told = f"with --yes, copy {copy} is declared lost: it ends, and costs a tenth of its collateral"
            out.result(found.shown() | {"done": "nothing", "remedy": told})
            raise Failure("damaged", f"copy {copy} is lost, and nothing was declared: add --yes", str(directory))
        if not json:
            out.console.print(_text(found), markup=False, soft_wrap=True)
            out.console.print(
                "its encoder has erased the key: nobody can make these sectors again. Is the right disk mounted?",
                markup=False,
            )
        agreed_to_spend(out, yes, lost_question(copy))
        keys = own_keys(out, key or settings.key or directory / KEY_FILE, passphrase_file or settings.passphrase_path)
        async with chain_session(settings.chain, keys, keep_sent=True) as session:
            out.sent = session.signer.under_way
            block = await notices.declare_lost(session.client, session.signer, copy)
        told = f"copy {copy} was declared lost in block {block.number}; another hoster gets it"
        out.result(found.shown() | {"done": "declared", "block": block.number}, told)

    run(out, main, lambda error: failure_of(error, str(directory)))
