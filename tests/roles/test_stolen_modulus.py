"""A modulus that another encoder copies from the pool is replaced: who took it has no factors, and stalls."""

from __future__ import annotations

from service.chain_client.pallet import calls, events
from service.chain_client.pallet.types import Role
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from tests.support.small_net import Net, author, is_active


async def test_an_encoder_makes_a_new_key_when_its_modulus_is_taken(net: Net) -> None:
    chain = net.chain
    _, core = await author(net)
    hoster = await net.start("Hoster", HosterRole)
    thief = await net.idle_encoder()
    signer = net.lines[-1].signer
    taken = await net.place(core)
    assert chain.copy(taken).encoder == thief
    await signer.submit(calls.withdraw_offer(Role.ENCODING))

    # the victim's begin is seen by the node's pool, and forgotten there
    chain.deaf.add("begin_segment")
    encoder = await net.start("Encoder", EncoderRole)
    copy = await net.place(core, [(0, 2)])
    assert chain.copy(copy).encoder == encoder.account

    def begins() -> list[bytes]:
        return [one.arguments[1] for one in chain.heard if one.name == "begin_segment" and one.arguments[0] == copy]

    await chain.until(begins)
    stolen = begins()[0]
    chain.deaf.clear()
    await signer.submit(calls.begin_segment(taken, stolen, 1))
    await chain.until(is_active(net, copy))
    assert len(set(begins())) == 2
    (part,) = chain.copy(copy).segments
    assert chain.modulus(part.segment) == begins()[-1] != stolen
    assert not [event for event in chain.events(events.BeginMissed) if event.encoder == encoder.account]
    await chain.until(lambda: not list((encoder.directory / "keys").iterdir()))
    await chain.until(lambda: any(event.encoder == thief for event in chain.events(events.Stalled)))
    assert hoster.account in {event.hoster for event in chain.events(events.Stalled)}, (
        "and costs its hoster the fine, too"
    )
