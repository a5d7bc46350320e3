"""Log in and out, and the two steps of each action: a page that says what it costs and does, and the signing."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from math import ceil
from urllib.parse import quote

import structlog
from aiohttp import web

from service.operating.history import NotHere
from service.vault import KeyFileError, PassphraseError, unlock
from service.web.app import refusal
from service.web.guards import ReaderCheck

from .acting import ACTIONS, REFUSED, Acting
from .sessions import COOKIE, LENGTHS, WrongPassphrases
from .shown import first_up
from .site import Site

log = structlog.get_logger(__name__)

OPEN = ("/static/", "/login", "/healthz", "/readyz", "/metrics")
"""Paths that need no session from anywhere."""
MOST_WAITING = 4
"""Passphrases that wait while one is tried: each try takes memory and a second."""
MOST_PASSPHRASE = 1024


class ActionPages:
    """The handlers. Without `acting` the dashboard shows only."""

    def __init__(self, site: Site, acting: Acting | None, readers: ReaderCheck) -> None:
        self._site, self._facts, self._acting, self._readers = site, site.facts, acting, readers
        self._wrong = WrongPassphrases()
        self._trying, self._waiting = asyncio.Lock(), 0
        self._form = secrets.token_urlsafe(24)
        """Stands in the form of the login: a page of another site cannot know it."""

    def mount(self, app: web.Application) -> None:
        """Serve the pages."""
        app.router.add_get("/login", self.login)
        app.router.add_post("/login", self.log_in)
        app.router.add_post("/logout", self.log_out)
        app.router.add_get("/do/{action:[a-z]+}", self.review)
        app.router.add_post("/do/{action:[a-z]+}", self.sign)

    def admit(self, request: web.Request) -> web.Response | None:
        """Return None if a request may be answered: from where reading is open, or with a session. Else what it is told."""
        taken = request.match_info.http_exception is None  # else nothing here takes such a request, and it is told that
        if taken and request.method not in ("GET", "HEAD") and "Origin" not in request.headers:
            return refusal(
                403, "origin", "only pages of this server may change anything: browsers name theirs in Origin"
            )
        if (
            request.path.startswith(OPEN)
            or self._readers.allows(request.remote)
            or self._site.session(request) is not None
        ):
            return None
        if request.path.startswith(("/api/", "/charts/")):
            return refusal(401, "locked", "reading from another machine needs a session: log in at /login")
        return _to(f"/login?next={quote(request.path)}")

    # ---- login

    async def login(self, request: web.Request) -> web.StreamResponse:
        """Show the form."""
        return self._login(request, "", 200)

    def _login(self, request: web.Request, error: str, status: int) -> web.Response:
        vault = None if self._acting is None else self._acting.vault
        data = {
            "vault": None if vault is None else str(vault),
            "token": self._form,
            "next": _local(request.query.get("next", "/")),
            "error": error,
            "here_only": self._readers.allows(request.remote),
        }
        return self._site.render(request, "login.html", self._site.last_pulse(), data, status)

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """Try a passphrase, and begin a session."""
        form, now = await form_of(request), asyncio.get_running_loop().time()
        if not _same(form.get("token", ""), self._form):
            return self._login(request, "This form was of another run of the node. Try again.", 403)
        address = request.remote or ""
        wait = self._wrong.wait(address, now)
        if wait or self._waiting >= MOST_WAITING:
            return self._login(request, f"Wait {max(1, ceil(wait))} seconds before the next try.", 429)
        error = await self._try(form.get("passphrase", ""))
        self._wrong.note(address, not error, asyncio.get_running_loop().time())
        if error:
            log.warning("a login at the dashboard failed", address=address)
            return self._login(request, error, 403)
        log.info("a session was opened at the dashboard", address=address)
        key = self._site.sessions.begin(LENGTHS.get(form.get("for", ""), LENGTHS["900"]), now)
        answer = _to(_local(form.get("next", "/")))
        answer.set_cookie(COOKIE, key, httponly=True, samesite="Strict", path="/", secure=request.secure)
        return answer

    async def _try(self, passphrase: str) -> str:
        """Return why a passphrase opens no session, or nothing."""
        vault = None if self._acting is None else self._acting.vault
        if vault is None:
            return "This node has no vault, so there is nothing to unlock."
        if not passphrase or len(passphrase) > MOST_PASSPHRASE:
            return "Write the vault’s passphrase."
        self._waiting += 1
        try:
            async with self._trying:
                found = await asyncio.to_thread(unlock, vault, lambda path: passphrase.encode(errors="replace"))
        except PassphraseError:
            return "That is not this vault’s passphrase."
        except KeyFileError as error:
            return f"{error}."
        finally:
            self._waiting -= 1
        return "" if found.keys.address == self._facts.address else "That vault is of another account than this node."

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        session, form = self._site.session(request), await form_of(request)
        answer = _to("/")
        if session is not None and _same(form.get("token", ""), session.csrf):
            self._site.sessions.end(request.cookies[COOKIE])
            answer.del_cookie(COOKIE, path="/")
        return answer

    # ---- actions

    async def review(self, request: web.Request) -> web.StreamResponse:
        """Show what an action costs and does."""
        name = request.match_info["action"]
        action, session = ACTIONS.get(name), self._site.session(request)
        if action is None:
            raise NotHere(f"There is no action {name}")
        if session is None or self._acting is None:
            return _to(f"/login?next={quote(request.path_qs)}")
        fields = {one: request.query.get(one, "")[:200] for one in action.fields}
        pulse = await self._site.pulse()
        try:
            action.check_key(self._acting.signer)
            found = await action.review(self._facts, self._acting, fields)
        except REFUSED as error:
            return self._told(request, "This cannot be done", str(error) or "the chain did not answer in time", 400)
        data = {"review": found, "name": name, "fields": fields, "token": session.issue(_purpose(name, fields))}
        return self._site.render(request, "review.html", pulse, data)

    async def sign(self, request: web.Request) -> web.StreamResponse:
        """Do what was reviewed: the same fields, once."""
        name = request.match_info["action"]
        action, session = ACTIONS.get(name), self._site.session(request)
        if action is None:
            raise NotHere(f"There is no action {name}")
        if session is None or self._acting is None:
            return self._told(request, "Nothing was signed", "The session is over: unlock, and look at it again.", 403)
        form = await form_of(request)
        fields = {one: form.get(one, "") for one in action.fields}
        if not session.take(form.get("token", ""), _purpose(name, fields)):
            return self._told(
                request, "Nothing was signed", "This form was sent before, or is not the one that was shown.", 403
            )
        told = {"action": name} | {f"of_{one}": text for one, text in fields.items()}
        log.info("an action is wanted at the dashboard", **told)
        try:
            action.check_key(self._acting.signer)
            said = await action.do(self._facts, self._acting, fields)
        except REFUSED as error:
            log.warning("an action at the dashboard was not done", error=str(error), **told)
            return self._told(request, "It was not done", str(error) or "the chain did not answer in time", 400)
        log.info("an action at the dashboard was done", said=said, **told)
        return self._told(request, said, "" if name == "test" else "It is on the finalized chain.", 200)

    def _told(self, request: web.Request, answer: str, lead: str, status: int) -> web.Response:
        data = {"answer": first_up(answer), "lead": first_up(lead)}
        return self._site.render(request, "error.html", self._site.last_pulse(), data, status)


def _same(one: str, other: str) -> bool:
    """Compare two texts in a time that tells nothing of them."""
    return secrets.compare_digest(one.encode(errors="replace"), other.encode())


def _purpose(name: str, fields: Mapping[str, str]) -> str:
    """Return what a form's token is bound to, in ASCII."""
    return json.dumps([name, sorted(fields.items())])


def _local(path: str) -> str:
    """Return a path of this server, whatever was asked for."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


async def form_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form, none of which is a file."""
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
