"""The command `datdot vault rotate`: the next swarm key of a vault's account, bound on the chain and kept in the vault."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.roles.common.registration import RegistrationError
from service.roles.common.rotation import Rotation, RotationRefused, plan_rotation, rotate
from service.session import chain_session, client_session
from service.units import money
from service.vault import Vault, passphrase_source, public_keys, unlock

from .failures import failure_of
from .options import DEFAULT_CHAIN, Chain, Json, PassphraseFile
from .output import Output, configure_logging, run
from .signing import Told
from .sums import Yes, agreed_to_spend
from .unlocking import at_terminal, or_fail
from .vault import vault_app


@vault_app.command(name="rotate")
def rotate_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The vault.")],
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    chain: Chain = DEFAULT_CHAIN,
    json: Json = False,
) -> None:
    """Give the account its next swarm key on the chain, for the peer fee, and keep it in the vault.

    The key follows from the account: after a cut the same command finishes what was begun, and sends nothing twice.
    """
    out = Output(json)
    configure_logging(json)
    or_fail(out, file, lambda: public_keys(file).check_own())
    find = passphrase_source(passphrase_file, at_terminal())
    typed = or_fail(out, file, lambda: find(file))
    vault = or_fail(out, file, lambda: unlock(file, lambda path: typed))
    if not json:
        _show(out, vault, chain)
    agreed_to_spend(out, yes)

    async def main() -> None:
        async with chain_session(chain, vault.keys, keep_sent=True) as session:
            out.sent = session.signer.under_way
            planned = await plan_rotation(session.client, session.signer.account, vault)
            block = await rotate(session.client, session.signer, planned)
            # last: the node finds the key on the chain whatever the vault says, but none that the chain does not name
            planned.vault.replace(file, typed)
            out.result(*_told(planned, block))

    run(out, main, lambda error: failure_of(error, chain))


def _show(out: Output, vault: Vault, chain: str) -> None:
    """Print what a rotation does, or why there is none. An earlier run that was cut off may have done it: the chain knows."""

    async def main() -> None:
        async with client_session(chain) as client:
            try:
                planned = await plan_rotation(client, vault.keys.account, vault)
            except (RotationRefused, RegistrationError) as error:
                out.console.print(f"as things are now: {error}", markup=False, soft_wrap=True)
                return
            for line in _lines(planned):
                out.console.print(line, markup=False, soft_wrap=True)

    run(out, main, lambda error: failure_of(error, chain))


def _lines(planned: Rotation) -> list[str]:
    new = planned.vault.keys.swarm_key.hex()
    if planned.is_bound:
        return [f"the chain names swarm key {new} already: the vault is brought up to date, and nothing is sent"]
    return [
        f"swarm key  {planned.old_key.hex()}",
        f"becomes    {new}, at once: a node that runs begins anew with it",
        f"costs      {money(planned.fee)}, burned, and the fee of the call",
        "the old key can never be bound again; copies, holds and the statement key stay as they are",
    ]


def _told(planned: Rotation, block: int | None) -> Told:
    keys = planned.vault.keys
    value = {
        "account": keys.address,
        "old_key": planned.old_key.hex(),
        "swarm_key": keys.swarm_key.hex(),
        "swarm_number": planned.vault.swarm_number,
        "block": block,
    }
    where = "bound before" if block is None else f"bound in block {block}"
    return value, f"swarm key {keys.swarm_key.hex()}, number {planned.vault.swarm_number}, {where}; the vault has it"
