"""The pages of feeds: what is here of each, its files, and any part of a file by HTTP ranges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import quote

import structlog
from aiohttp import web

from service.operating.feeds import UNREADABLE_FEED, core_of, find_file, read_feed, read_feeds
from service.operating.history import NotHere
from service.operating.network_objects import FeedFile, FeedRow

from . import charts
from .shown import count
from .site import Site

log = structlog.get_logger(__name__)

FILES = 1_000
"""Files of a folder that are listed."""
FEEDS = 200
MOST_SENT = 32
"""Files that are sent at once."""
SEND_SECONDS = 30.0
"""Seconds for which a client may leave what it was sent unread."""
FILE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Accept-Ranges": "bytes",
    "Content-Type": "application/octet-stream",
}
"""Headers of a file of a feed: somebody else wrote it, so no browser takes it for a page of ours."""


class FeedPages:
    """The handlers. They need no chain."""

    def __init__(self, site: Site) -> None:
        self._site, self._facts = site, site.facts
        self._sending = 0

    def mount(self, app: web.Application) -> None:
        """Serve the pages."""
        app.router.add_get("/feeds", self.feeds)
        app.router.add_get("/feeds/{feed:[0-9a-f]{64}}", self.feed)
        app.router.add_get("/feeds/{feed:[0-9a-f]{64}}/files/{path:.+}", self.file)

    async def feeds(self, request: web.Request) -> web.StreamResponse:
        """List the feeds."""
        found = read_feeds(self._facts, FEEDS)
        data = {
            "answer": f"{count(found.total, 'feed')} kept here" if found.total else "No feed is kept here",
            "feeds": found.feeds,
            "total": found.total,
            "state_of": feed_state,
        }
        return self._site.render(request, "feeds.html", self._site.last_pulse(), data)

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """Show one feed, and a folder of its files."""
        detail = await read_feed(self._facts, request.match_info["feed"], 10_000)
        folder = request.query.get("folder", "")
        folders, files = in_folder(detail.files, folder)
        row = detail.row
        state, word = feed_state(row)
        data = {
            "detail": detail,
            "row": row,
            "answer": f"All {count(row.length, 'block')} are here" if state == "good" else word,
            "answer_state": state,
            "folder": folder,
            "above": folder.rpartition("/")[0],
            "folders": folders[:FILES],
            "files": files[:FILES],
            "left": max(0, len(folders) - FILES) + max(0, len(files) - FILES),
            "strip": charts.strip(row.length, detail.ranges),
            "quoted": lambda path: quote(path),
        }
        return self._site.render(request, "feed.html", self._site.last_pulse(), data)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Send a file of a feed, or the part that is asked for."""
        core = core_of(self._facts, request.match_info["feed"])
        try:
            stream, found = await find_file(self._facts, core, request.match_info["path"])
            start, end = part(request, found.size)
            tag = f'"{core.key.hex()[:16]}-{core.fork}-{found.offset}-{found.size}"'
            name = quote(found.path.rpartition("/")[2])
            answer = web.StreamResponse(
                headers=FILE_HEADERS | {"ETag": tag, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
            )
            if (start, end) != (0, found.size):
                answer.set_status(HTTPStatus.PARTIAL_CONTENT)
                answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
            answer.content_length = end - start
            pieces = stream.pieces(found.offset + start, end - start)
            if self._sending >= MOST_SENT:
                raise web.HTTPServiceUnavailable(
                    reason=f"{MOST_SENT} files are being sent already", headers={"Retry-After": "5"}
                )
            self._sending += 1
            try:
                return await _sent(request, answer, pieces)
            finally:
                self._sending -= 1
        except UNREADABLE_FEED as error:
            raise NotHere(str(error)) from error


async def _sent(request: web.Request, answer: web.StreamResponse, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send the pieces. The first is read before the head is sent: a block that is missing is told with a status."""
    first = await anext(pieces, b"")
    await answer.prepare(request)
    if request.method != "HEAD":
        try:
            await _write(answer, first)
            async for piece in pieces:
                await _write(answer, piece)
        except (TimeoutError, *UNREADABLE_FEED) as error:
            said = str(error) or "it is not read"
            log.warning("a file of a feed was sent in part only", path=request.path, error=said)
            if request.transport is not None:
                request.transport.abort()  # so that nobody takes the part for the whole
            return answer
    await answer.write_eof()
    return answer


async def _write(answer: web.StreamResponse, piece: bytes) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await answer.write(piece)


def part(request: web.Request, size: int) -> tuple[int, int]:
    """Return the part of a file of `size` bytes that a request asks for: first byte, and the one after the last.

    Raises HTTPRequestRangeNotSatisfiable if it lies outside. Of a wrong header, or one of several parts, it is the whole file.
    """
    try:
        wanted = request.http_range
    except ValueError:
        return 0, size
    if wanted.start is None and wanted.stop is None:
        return 0, size
    start = wanted.start or 0
    start = max(0, size + start) if start < 0 else start
    end = size if wanted.stop is None else min(wanted.stop, size)
    if start >= size or end <= start:
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return start, end


def in_folder(files: list[FeedFile], folder: str) -> tuple[list[str], list[FeedFile]]:
    """Return the folders and the files directly in a folder, in the archive's order."""
    before = f"{folder}/" if folder else ""
    inside = [one for one in files if one.path.startswith(before)]
    rest = [(one, one.path[len(before) :]) for one in inside]
    folders = dict.fromkeys(name.partition("/")[0] for _, name in rest if "/" in name)
    return list(folders), [one for one, name in rest if "/" not in name]


def feed_state(feed: FeedRow) -> tuple[str, str]:
    """Return the mark and the word of how much of a feed is here."""
    if not feed.length:
        return "wait", "Empty, or nothing is here yet"
    if feed.here == feed.length:
        return "good", "All is here"
    return ("half" if feed.here else "wait"), f"{feed.here:,} of {count(feed.length, 'block')} are here"
