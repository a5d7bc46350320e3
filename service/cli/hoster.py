"""The commands `datdot hoster`: where a hoster stands, a pause, copies that it leaves or lost."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from service.chain_client import ChainClient
from service.roles.hoster import notices
from service.session import Session
from service.views.hoster import show_hoster

from .options import DEFAULT_CHAIN, Chain, Json, Key, PassphraseFile
from .output import Failure, Output
from .signing import Account, Told, show_account, signed
from .sums import Yes, agreed_to_spend

hoster_app = typer.Typer(
    help="Show how a hoster stands; pause, leave a copy, say that one is lost.", no_args_is_help=True
)
CopyId = Annotated[int, typer.Argument(min=0, max=2**64 - 1, metavar="COPY", help="Number of the copy.")]


def lost_question(copy: int) -> str:
    """Return the question before a copy is declared lost."""
    return f"Declare copy {copy} lost? It ends, and costs a tenth of its collateral."


@hoster_app.command()
def status(account: Account = None, key: Key = None, chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """Show how a hoster stands: its step, what it must prove until when, collateral, reputation, pause, copies."""

    async def read(client: ChainClient, wanted: bytes) -> Told:
        found = await show_hoster(client, wanted)
        if found is None:
            raise Failure("no_such_hoster", "this account never offered to host on this chain", chain)
        return found, _text(found)

    show_account(account, key, chain, json, read)


@hoster_app.command()
def pause(
    key: Key = None, passphrase_file: PassphraseFile = None, chain: Chain = DEFAULT_CHAIN, json: Json = False
) -> None:
    """Announce an absence: what is asked before it must still be answered, and nothing is asked during it."""

    async def act(session: Session) -> Told:
        done = await notices.pause(session.client, session.signer)
        value = {"block": done.block.number, "from": done.first, "until": done.last}
        return value, f"you may be away in blocks {done.first} to {done.last}; until then keep the node running"

    signed(key, passphrase_file, chain, json, act)


@hoster_app.command()
def leave(
    copy: CopyId,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Leave a copy: it is kept until another hoster has one, or the notice is over."""

    async def act(session: Session) -> Told:
        done = await notices.leave_copy(session.client, session.signer, copy)
        value = {"copy": copy, "block": done.block.number, "until": done.until}
        return value, f"copy {copy} ends when it is replaced, in block {done.until} at the latest; until then keep it"

    signed(key, passphrase_file, chain, json, act)


@hoster_app.command()
def lost(
    copy: CopyId,
    yes: Yes = False,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Say that a copy is lost: it ends and costs a tenth of its collateral, and the other copies are not harmed."""
    agreed_to_spend(Output(json), yes, lost_question(copy))

    async def act(session: Session) -> Told:
        block = await notices.declare_lost(session.client, session.signer, copy)
        return {"copy": copy, "block": block.number}, None

    signed(key, passphrase_file, chain, json, act)


LEAVING = {1: "  let go", 2: "  leaving"}
"""What is shown of a copy's `leaving`."""


def _sentence(text: str) -> str:
    """Begin a text with a capital letter, and leave names in it as they are."""
    return text[:1].upper() + text[1:]


def _changed(change: dict[str, Any]) -> str:
    """Say why a reputation last changed."""
    if change["block"] is None:
        return f"reputation changed {change['why']}"
    before = "none" if change["before"] is None else f"{change['before']} ppm"
    return f"reputation last changed in block {change['block']}, from {before}: {change['why']}"


def _standing(found: dict[str, Any]) -> list[str]:
    """Say at which step a hoster stands, and of an open challenge by when it is to be answered and how."""
    step, challenge = f"step {found['step']}: {found['standing']}", found["challenge"]
    if challenge is None:
        return [f"{step}. {_sentence(found['remedy'])}"]
    last = challenge["deadlines"]
    return [
        step,
        f"challenge of block {challenge['issued']}: answer by block {last['proof']}, else warned; "
        f"by {last['recheck']}, else suspended; by {last['last_call']}, else evicted",
        f"  {_sentence(challenge['remedy'])}",
    ]


def _proofs(found: dict[str, Any]) -> list[str]:
    """Say for how many proofs the money of who signs them is enough, and what to do."""
    who = {"": found["fees"]} if found["operator"] is None else {
        " by the account's own key": found["fees"],
        f" by its operator {found['operator']}": found["operator_fees"],
    }  # fmt: skip
    *lines, last = [
        f"{fees['spendable']} can be spent{key}, a storage proof takes up to {fees['proof']} until it is in a block: "
        f"enough for {fees['proofs']}"
        for key, fees in who.items()
    ]
    return [*lines, f"{last}. {_sentence(found['fees']['remedy'])}"]


def _text(found: dict[str, Any]) -> str:
    held, due = found["collateral"]["held"], found["collateral"]["due"]
    region = f" in region {found['region']}" if found["region"] else ""
    lines = [
        f"hoster {found['account']}  {'open' if found['open'] else 'not open'}{region}, in block {found['block']}",
        *_standing(found),
        f"collateral {held} held, {due} due",
        *_proofs(found),
        f"reputation {found['reputation']} ppm, challenges passed {found['passed']}, missed {found['missed']}",
        _changed(found["reputation_change"]),
    ]
    if found["pause"] is not None:
        lines.append(f"pause: away in blocks {found['pause']['from']} to {found['pause']['until']}")
    lines.append(f"a pause can be announced from block {found['next_pause']} on")
    for copy in found["copies"]:
        going = "  ending" if copy["dropping"] else LEAVING.get(copy["leaving"], "")
        lines.append(
            f"  copy {copy['copy']}  plan {copy['plan']}  {copy['state']}  "
            f"{copy['confirmed_sectors']} of {copy['sectors']} sectors  strikes {copy['strikes']}{going}"
        )
    if found["copies_unlisted"]:
        lines.append(
            f"  and {found['copies_unlisted']} of which nothing is confirmed, older than the newest 10,000 of the chain"
        )
    return "\n".join(lines)
