"""The page of settings: what the node runs with, and the forms by which a session changes what changes while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import structlog
from aiohttp import web

from service.operating.editing import WHOLE, EditableSetting, SettingsOffered, SettingsRefused

from .acting import Acting
from .action_pages import form_of
from .sessions import UnlockedSession
from .site import Site

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SettingsGroup:
    """Settings that are changed by one form: those of a table of the file, for nodes of a role (none: all)."""

    table: str
    role: str
    title: str
    note: str
    button: str


GROUPS = (
    SettingsGroup("hosting", "hoster", "Disk and prices", "Prices are for new copies: that of a copy never changes once it "
                  "is placed. What you offer cannot be more than what is free, less the reserve.", "Save hosting"),
    SettingsGroup("encoding", "encoder", "Encoding", "For jobs that are drawn from now on.", "Save encoding"),
    SettingsGroup("attesting", "attester", "Attesting", "For slots that are taken from now on.", "Save attesting"),
    SettingsGroup("alerts", "", "Where alerts go", "One message when an alert opens, one when it is over.", "Save targets"),
)  # fmt: skip
LABELS = {
    "hosting.capacity": "Capacity offered",
    "hosting.reserve": "Kept free",
    "hosting.ask_disk": "Price of disk, per GiB and era",
    "hosting.ask_receiving": "Price of receiving, per GiB",
    "hosting.region": "Region",
    "encoding.ask": "Price of encoding, per GiB",
    "attesting.ask": "Price of a report",
    "attesting.slots": "Slots",
    "alerts.targets": "Targets",
}
"""What each field is called."""
CLEAR = "clear"
"""The box that empties a list whose values are not shown."""


@dataclass(frozen=True, slots=True)
class SettingField:
    """A field of a form: the setting, what stands in it, and what was wrong with that."""

    setting: EditableSetting
    label: str
    text: str
    wrong: str


class SettingsPages:
    """The handlers. They need no chain; without a session nothing is changed."""

    def __init__(self, site: Site, acting: Acting | None) -> None:
        self._site, self._facts, self._acting = site, site.facts, acting

    def mount(self, app: web.Application) -> None:
        """Serve the page, and take its forms."""
        app.router.add_get("/settings", self.settings)
        app.router.add_post("/settings", self.change)

    async def settings(self, request: web.Request) -> web.StreamResponse:
        """Show what the node runs with and, in a session, the forms."""
        saved = request.query.get("saved", "")
        done = next((one.title for one in GROUPS if one.table == saved), "")
        return await self._page(request, 200, {}, {}, done)

    async def change(self, request: web.Request) -> web.StreamResponse:
        """Take a form: write its settings into the file, and take them over."""
        session, form = self._site.session(request), await form_of(request)
        group = next((one for one in GROUPS if one.table == form.get("group")), None)
        editor = None if self._acting is None else self._acting.settings
        if session is None or group is None or editor is None:
            return await self._page(request, 403, {}, {WHOLE: "Nothing was changed: unlock the vault first."})
        if not session.take(form.get("token", ""), _purpose(group)):
            reason = "Nothing was changed: this form was sent before, or is not the one that was shown."
            return await self._page(request, 403, form, {WHOLE: reason})
        offered = await editor.offered()
        values = {
            one.key: form[one.key]
            for one in offered.settings
            if one.key.startswith(f"{group.table}.") and one.key in form and not one.fixed and _is_said(one, form)
        }
        try:
            changed = await editor.change(values)
        except SettingsRefused as error:
            log.warning(
                "settings were not changed at the dashboard", settings=", ".join(values), reasons=list(error.reasons)
            )
            return await self._page(request, 400, form, error.reasons)
        log.info("settings were changed at the dashboard", settings=", ".join(changed))
        return web.Response(status=303, headers={"Location": f"/settings?saved={quote(group.table)}"})

    async def _page(
        self, request: web.Request, status: int, typed: Mapping[str, str], wrong: Mapping[str, str], saved: str = ""
    ) -> web.Response:
        session, acting = self._site.session(request), self._acting
        offered = SettingsOffered("", "", ())
        if session is not None and acting is not None and acting.settings is not None:
            offered = await acting.settings.offered()
        data = {
            "settings": self._facts.sources.settings(),
            "offered": offered,
            "forms": [] if session is None else self._forms(session, offered, typed, wrong),
            "wrong": wrong.get(WHOLE, ""),
            "saved": saved,
            "vault": acting is not None and acting.vault is not None,
        }
        return self._site.render(request, "settings.html", self._site.last_pulse(), data, status)

    def _forms(
        self, session: UnlockedSession, offered: SettingsOffered, typed: Mapping[str, str], wrong: Mapping[str, str]
    ) -> list[tuple[SettingsGroup, list[SettingField], str]]:
        """Return the forms for the node's roles, each with its fields and a token that is good once."""
        found = []
        for group in GROUPS:
            of_group = [one for one in offered.settings if one.key.startswith(f"{group.table}.")]
            if of_group and (not group.role or group.role in self._facts.sources.roles):
                fields = [
                    SettingField(
                        one,
                        LABELS.get(one.key, one.key),
                        typed.get(one.key, "" if one.secret else one.typed),
                        wrong.get(one.key, ""),
                    )
                    for one in of_group
                ]
                found.append((group, fields, session.issue(_purpose(group))))
        return found


def _is_said(one: EditableSetting, form: Mapping[str, str]) -> bool:
    """Return whether a form says something of a setting: an empty field for values that are not shown says nothing."""
    return not one.secret or bool(form[one.key].strip()) or CLEAR in form


def _purpose(group: SettingsGroup) -> str:
    return f"settings {group.table}"
