"""Use datdot's Substrate client: connect to a chain, transfer money, print the events that this caused.

    python examples/chain_client.py            # with a mock chain that it starts
    python examples/chain_client.py ws://…     # with a running development chain

A signer first records what it sends in a file. Restarted after a crash, it finds out what became of it and sends nothing twice.
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from service.address import ss58
from service.chain_client import ChainClient, Follower, Signer, frame
from service.devnet.processes import Child, module
from service.vault import load_keys

ALICE, BOB = load_keys("//Alice"), load_keys("//Bob")
UNIT = 10**12


async def transfer(url: str, directory: Path) -> None:
    """Transfer money from //Alice to //Bob, and print the events."""
    async with await ChainClient.connect(url) as client:
        follower = Follower(client)  # yields each finalized block once, across lost connections
        signer = Signer(client, ALICE.account_pair, directory / "signer.sqlite", follower)
        tasks = [asyncio.create_task(follower.run()), asyncio.create_task(signer.run())]
        before = await client.balance(BOB.account)
        receipt = await signer.submit(frame.transfer(BOB.account, 5 * UNIT))
        assert receipt is not None  # None only if submit() was given a check that found it done already
        for event in receipt.events:
            print(f"{event.pallet}.{event.name}")
        gained = await client.balance(BOB.account) - before
        print(f"{ss58(BOB.account)} has {gained / UNIT:g} UNIT more, as of finalized block {receipt.block.number}")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        signer.close()


async def main() -> None:
    """Run the example on the given chain, or on a mock chain."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        if len(sys.argv) > 1:
            await transfer(sys.argv[1], directory)
            return
        mock = Child("the mock chain", module("runtime_mock", "--port", "0"), directory / "chain.log")
        try:
            await transfer((await mock.start())["rpc"], directory)
        finally:
            await mock.stop()


asyncio.run(main())
