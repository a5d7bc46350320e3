"""Actions of root and with plain money: transfers, remarks, nonces, seeds and parameters."""

from __future__ import annotations

from runtime_mock.codec import blake2_256, prefixed
from runtime_mock.secp256k1 import recover
from tests.support.differential.driver import UNIT
from tests.support.differential.parties import ED, Base, digest
from tests.support.runtime_version import VERSIONS

REMARK = b"\0\0\0"  # System.remark of nothing
# x of secp256k1's generator: a valid r of a signature
GENERATOR = bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
# edges of what an account may send: 0, 1, below and at the existential deposit, more than there is
SUMS = (0, 1, ED - 1, ED, ED + 1, UNIT, 7 * UNIT, 10**18, 2 * 10**18, 2**128 - 1)


class Frame(Base):
    """Root, money, remarks."""

    def do_set_seed(self, value: int, wrong: int, _: int) -> None:
        arguments = {"value": digest("seed", value)}
        if wrong:
            self.call(self.party(wrong), "set_seed", **arguments)
        else:
            self.pair.sudo("DatDot", "set_seed", arguments)

    def do_unset_seed(self, wrong: int, _: int, __: int) -> None:
        if wrong:
            self.call(self.party(wrong), "unset_seed")
        else:
            self.pair.sudo("DatDot", "unset_seed", {})

    def do_set_parameters(self, variant: int, wrong: int, _: int) -> None:
        amounts = dict(self.pair.value("DatDot", "Amount"))
        name = sorted(amounts)[variant % len(amounts)]
        amounts[name] = (amounts[name] * 2, amounts[name] // 2, 0, 10**24, 10**24 + 1)[variant // 8 % 5]
        if wrong:
            self.call(self.party(wrong), "set_parameters", amounts=amounts)
        else:
            self.pair.sudo("DatDot", "set_parameters", {"amounts": amounts})

    # the frame

    def do_transfer(self, who: int, to: int, how: int) -> None:
        party = self.party(who)
        target = self.party(to).id if to < 128 else digest("stranger", to % 5)
        free = self.pair.value("System", "Account", party.id)["data"]["free"]
        amount = (*SUMS, free, free - ED, free // 2)[how // 4 % (len(SUMS) + 3)]
        value = max(0, amount)
        if how % 4 == 0:
            self.pair.submit(
                party.account, "Balances", "transfer_allow_death", {"dest": ("Id", target), "value": value}
            )
        elif how % 4 == 1:
            self.pair.submit(party.account, "Balances", "transfer_keep_alive", {"dest": ("Id", target), "value": value})
        elif how % 4 == 2:
            everything = {"dest": ("Id", target), "keep_alive": bool(how & 8)}
            self.pair.submit(party.account, "Balances", "transfer_all", everything)
        else:
            self.pair.submit(party.account, "Balances", "burn", {"value": value, "keep_alive": bool(how & 8)})

    def do_force(self, who: int, amount: int, how: int) -> None:
        target = ("Id", self.party(who).id if who else digest("stranger", amount % 5))
        value = SUMS[amount % len(SUMS)]
        if how % 4 == 0:
            self.pair.sudo("Balances", "force_set_balance", {"who": target, "new_free": value})
        elif how % 4 == 1:
            dest = ("Id", self.party(who + 1).id)
            self.pair.sudo("Balances", "force_transfer", {"source": target, "dest": dest, "value": value})
        elif how % 4 == 2:
            self.pair.sudo("Balances", "force_unreserve", {"who": target, "amount": value})
        else:
            direction = ("Increase", "Decrease")[how // 4 % 2]
            self.pair.sudo("Balances", "force_adjust_total_issuance", {"direction": direction, "delta": value % UNIT})

    def do_remark(self, who: int, size: int, how: int) -> None:
        name = ("remark", "remark_with_event")[how % 2]
        self.pair.submit(self.party(who).account, "System", name, {"remark": bytes(size)}, tip=how // 2 % 3)

    def do_nest(self, depth: int, _: int, __: int) -> None:
        """Root's call within root's call, and so on, around a remark."""
        sudo = self.parties[0].account
        self.pair.queue(self.pair.sign(sudo, b"\4\0" * depth + REMARK))

    def do_ecdsa(self, s: int, _: int, __: int) -> None:
        """A remark by an account of secp256k1: whatever key a signature leads to is the signer."""
        extra = b"\0\0\0"
        signature = GENERATOR + (s + 1).to_bytes(32, "big") + b"\0"
        message = REMARK + extra + VERSIONS + self.pair.genesis * 2
        key = recover(blake2_256(message), signature)
        account = blake2_256(key or b"")
        self.pair.submit(
            self.parties[1].account, "Balances", "transfer_keep_alive", {"dest": ("Id", account), "value": UNIT}
        )
        self.pair.seal()
        self.pair.queue(prefixed(b"\x84\0" + account + b"\2" + signature + extra + REMARK))

    def do_nonce(self, who: int, nonce: int, _: int) -> None:
        """A remark with any nonce: stale, right or of the future."""
        account = self.party(who).account
        stored = self.pair.value("System", "Account", account.id)["nonce"]
        self.pair.submit(account, "System", "remark", {"remark": b""}, nonce=max(0, stored - 2 + nonce % 6))
