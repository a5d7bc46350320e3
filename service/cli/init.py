"""The command `datdot init`: some questions, and a node's file of settings out of the answers."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service import durable
from service.disk import room_at
from service.node.options import BY_NAME
from service.node.settings import NodeError, check_mounted
from service.node.setup import QUESTIONS, Question, asked, checked, defaults, toml_of
from service.roles.hoster.room import default_reserve
from service.vault import KeyFileError, Vault
from service.vault.phrase import keys_of_phrase, new_phrase

from .failures import failure_of
from .interrupts import end_at_once
from .node_options import (
    AlertTargetSetting,
    AnnounceSetting,
    AskDiskSetting,
    AskEncodingSetting,
    AskReceivingSetting,
    AskReportSetting,
    BootstrapSetting,
    CapacitySetting,
    ChainSetting,
    HttpSetting,
    InitRolesSetting,
    ListenSetting,
    SlotsSetting,
)
from .options import Json, PassphraseFile
from .output import EXIT_USAGE, Failure, Output, configure_logging
from .phrases import show_and_ask_again
from .unlocking import at_terminal, new_passphrase, or_fail

FILE, VAULT = "node.toml", "node.vault"


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The node's directory; it is made.")],
    roles: InitRolesSetting = None,
    chain: ChainSetting = None,
    capacity: CapacitySetting = None,
    ask_disk: AskDiskSetting = None,
    ask_receiving: AskReceivingSetting = None,
    ask_encoding: AskEncodingSetting = None,
    ask_report: AskReportSetting = None,
    slots: SlotsSetting = None,
    listen: ListenSetting = None,
    announce: AnnounceSetting = None,
    bootstrap: BootstrapSetting = None,
    http: HttpSetting = None,
    alert_target: AlertTargetSetting = None,
    vault: Annotated[
        bool, typer.Option("--vault", help="Make a vault, which a passphrase locks, for its keys.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take the defaults for what is not given.")] = False,
    json: Json = False,
) -> None:
    """Make a node's file of settings: asks for role, disk, price, chain, addresses, and for a vault its passphrase."""
    out = Output(json)
    configure_logging(json)
    given = {
        "roles": roles,
        "chain": chain,
        "hosting_capacity": capacity,
        "hosting_ask_disk": ask_disk,
        "hosting_ask_receiving": ask_receiving,
        "encoding_ask": ask_encoding,
        "attesting_ask": ask_report,
        "attesting_slots": slots,
        "listen": listen,
        "announce": announce,
        "bootstrap": None if not bootstrap else ",".join(bootstrap),
        "http_listen": http,
        "alerts_targets": None if not alert_target else ",".join(alert_target),
    }
    _Wizard(out, directory, yes).make(
        {name: text for name, text in given.items() if text is not None}, vault, passphrase_file
    )


class _Wizard:
    """The questions, or the defaults in their place."""

    def __init__(self, out: Output, directory: Path, yes: bool) -> None:
        self._out, self._directory, self._yes = out, directory, yes
        free = room_at(directory.absolute())
        self._defaults = defaults(free, default_reserve(directory.absolute()))
        if not yes and at_terminal() is None:
            out.fail(Failure("usage", "nobody sits at a terminal to be asked: add --yes", "--yes", EXIT_USAGE))

    def make(self, given: dict[str, str], vault: bool, passphrase_file: Path | None) -> None:
        """Ask, write, and say what comes next."""
        out, path = self._out, self._directory / FILE
        if path.exists():
            out.fail(Failure("node", f"{path} exists: change it by hand, or name another directory", str(path)))
        answers: dict[str, Any] = {"roles": self._answer(QUESTIONS[0], given)}
        for question in asked(answers["roles"]):
            found = self._answer(question, given)
            if found:
                answers[question.name] = found
        told: dict[str, Any] = {}
        try:
            check_mounted(self._directory)
            durable.make_private(self._directory)
            if vault:
                told = self._vault(passphrase_file)
                answers["key"] = VAULT
                if passphrase_file is not None:
                    answers["passphrase_file"] = str(passphrase_file.absolute())
            durable.write_new(path, toml_of(answers).encode())
        except (OSError, KeyFileError, NodeError) as error:
            out.fail(failure_of(error, str(path)))
        following = f"datdot node --dir {self._directory} --config {path}"
        out.result({"file": str(path), "next": following, **told}, self._said(path, following, told))

    @property
    def _asks(self) -> bool:
        """Whether who makes a vault is asked for words of its phrase."""
        return not self._yes and not self._out.json

    def _answer(self, question: Question, given: dict[str, str]) -> str | list[str]:
        """Return what was given, or is answered, or proposed. Ends the command if it is wrong and nobody can be asked."""
        flag, proposed = BY_NAME[question.name].flag, self._defaults.get(question.name, "")
        if question.name in given:
            try:
                return checked(question.name, given[question.name])
            except ValueError as error:
                raise typer.BadParameter(f"{flag}: {error}") from error
        if self._yes:
            if not proposed and question.roles:
                raise typer.BadParameter(f"{flag}: this disk has too little room to propose one: name it")
            return checked(question.name, proposed) if proposed else ""
        while True:
            typed = self._typed(question.text, proposed) or proposed
            if not typed:
                return ""
            try:
                return checked(question.name, typed)
            except ValueError as error:
                self._out.console.print(f"  {error}", markup=False, soft_wrap=True)

    def _typed(self, text: str, proposed: str) -> str:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            self._out.console.print(f"{text} [{proposed}] ", markup=False, soft_wrap=True, end="")
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            self._out.fail(Failure("interrupted", "interrupted: nothing was written"))
        finally:
            end_at_once(sys.argv[1:])
        if not line:
            self._out.fail(Failure("interrupted", "the terminal was closed: nothing was written"))
        return line.strip()

    def _vault(self, passphrase_file: Path | None) -> dict[str, Any]:
        path, phrase = self._directory / VAULT, new_phrase(12)
        passphrase = new_passphrase(self._out, path, passphrase_file)
        keys = keys_of_phrase(phrase)

        def make() -> None:
            if self._asks:
                show_and_ask_again(phrase)
            Vault(keys, phrase).create(path, passphrase)

        or_fail(self._out, path, make)
        return {"account": keys.address, "phrase": phrase}

    def _said(self, path: Path, following: str, told: dict[str, Any]) -> str:
        lines = [f"written: {path}"]
        if told:
            lines.append(f"its account is {told['account']}")
            if not self._asks:
                lines.append(
                    f"write these words down, they are shown only now and bring its keys back: {told['phrase']}"
                )
        return "\n".join([*lines, f"next: {following}", f"then: datdot doctor --dir {self._directory}"])
