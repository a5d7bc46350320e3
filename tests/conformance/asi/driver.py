"""What async-substrate-interface does with a chain, each finding as one line of JSON: {"step": ..., "found": ...}."""

import asyncio
import hashlib
import json
import sys
from typing import Any

import sr25519
from async_substrate_interface import AsyncSubstrateInterface
from scalecodec.utils.ss58 import ss58_encode

UNIT = 10**12


class Pair:
    """An sr25519 pair, with what the client wants of one."""

    crypto_type = 1
    ss58_format = 42

    def __init__(self, public: str, secret: str) -> None:
        self.public_key, self._secret = bytes.fromhex(public), bytes.fromhex(secret)
        self.ss58_address = ss58_encode(self.public_key, self.ss58_format)

    def sign(self, data: Any) -> bytes:
        """Return the signature of bytes, hex or a client's own wrapper of them."""
        raw = bytes(data.data) if hasattr(data, "data") else data
        message = bytes.fromhex(raw.removeprefix("0x")) if isinstance(raw, str) else bytes(raw)
        return bytes(sr25519.sign((self.public_key, self._secret), message))


def tell(step: str, found: Any) -> None:
    """Print a finding."""
    print(json.dumps({"step": step, "found": found}), flush=True)


async def main(url: str, public: str, secret: str) -> None:
    """Do everything once."""
    pair, target = Pair(public, secret), ss58_encode(hashlib.sha256(b"asi").digest(), Pair.ss58_format)
    async with AsyncSubstrateInterface(url) as chain:
        account = await chain.query("System", "Account", [pair.ss58_address])
        tell("query", account["data"]["free"] > UNIT)
        tell("nonce", int(account["nonce"]))
        tell("paged", len([one async for one in await chain.query_map("System", "Account", page_size=2)]))
        tell("constant", (await chain.get_constant("Balances", "ExistentialDeposit")).value)

        async def submit(value: int, **options: Any) -> list[Any]:
            arguments = {"dest": target, "value": value}
            call = await chain.compose_call("Balances", "transfer_keep_alive", arguments)
            signed = await chain.create_signed_extrinsic(call, pair, **options)
            receipt = await chain.submit_extrinsic(signed, wait_for_finalization=True)
            return [await receipt.is_success, await receipt.total_fee_amount > 0, await receipt.error_message]

        tell("immortal", await submit(UNIT))
        tell("mortal", await submit(UNIT, era={"period": 64}))
        tell("fails", await submit(10**19))
        tell("row", await remarks(chain, pair))
        tell("many", len(await asyncio.gather(*(chain.query("System", "Number") for _ in range(50)))))
        first = await chain.get_block_hash(1)
        tell("old", (await chain.query("System", "Number", block_hash=first)).value)
        tell("block", len((await chain.get_block(block_number=1))["extrinsics"]))
        tell("events", len(await chain.get_events()) > 0)
        nonce = await chain.runtime_call("AccountNonceApi", "account_nonce", [pair.ss58_address])
        tell("runtime api", getattr(nonce, "value", nonce))


async def remarks(chain: AsyncSubstrateInterface, pair: Pair) -> list[bool]:
    """Submit five extrinsics at once."""
    nonce = await chain.get_account_next_index(pair.ss58_address)
    signed = []
    for number in range(5):
        call = await chain.compose_call("System", "remark", {"remark": f"0x{number:02x}"})
        signed.append(await chain.create_signed_extrinsic(call, pair, nonce=nonce + number))
    receipts = await asyncio.gather(*(chain.submit_extrinsic(one, wait_for_inclusion=True) for one in signed))
    return [await receipt.is_success for receipt in receipts]


asyncio.run(main(*sys.argv[1:]))
