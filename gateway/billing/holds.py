"""Wallets in memory: what every customer has, and how much of it open calls have spoken for.

The ledger in the database is the truth; wallets follow it by id. Single-threaded, no I/O: everything here happens
between two awaits of the event loop, so a check and the hold that follows from it cannot be separated.

Invariant: at the moment a hold is admitted or grown, all holds of a limited customer together are no more than the
balance.
"""

from collections.abc import Iterable, Mapping

from gateway.billing.money import format_usd
from gateway.errors import OutOfCredit
from gateway.records import LedgerEntry


class Wallet:
    """One customer's money. `balance_micro` has submitted charges already taken off, committed or not."""

    __slots__ = ("balance_micro", "held_micro")

    def __init__(self, balance_micro: int = 0) -> None:
        self.balance_micro = balance_micro
        self.held_micro = 0

    @property
    def available_micro(self) -> int:
        """What a new hold may take. Negative after an overshoot or an adjustment."""
        return self.balance_micro - self.held_micro


class Hold:
    """Quota reserved for one open call. Ends exactly once, by `charge` or `release`."""

    __slots__ = ("_open", "_unlimited", "_wallet", "amount_micro")

    def __init__(self, wallet: Wallet, amount_micro: int, *, unlimited: bool) -> None:
        self._wallet = wallet
        self._unlimited = unlimited
        self._open = True
        self.amount_micro = amount_micro
        wallet.held_micro += amount_micro

    @property
    def is_open(self) -> bool:
        return self._open

    def grow_to(self, total_micro: int) -> bool:
        """Make the hold at least `total_micro`. False, and unchanged, if the wallet has not got the difference."""
        more = total_micro - self.amount_micro
        if more <= 0:
            return True
        if not self._open or not (self._unlimited or more <= self._wallet.available_micro):
            return False
        self._wallet.held_micro += more
        self.amount_micro = total_micro
        return True

    def shrink_to(self, total_micro: int) -> None:
        """Give back what is held above `total_micro`: the provider has reported less than was estimated."""
        less = self.amount_micro - max(0, total_micro)
        if self._open and less > 0:
            self._wallet.held_micro -= less
            self.amount_micro -= less

    def charge(self, cost_micro: int) -> int:
        """End the hold with a charge, which leaves the wallet now: the ledger's transaction is yet to come.

        Returns the overshoot, how far the charge goes beyond what was held. Raises RuntimeError if the hold has ended:
        a second charge would be money taken twice.
        """
        if not self._open:
            raise RuntimeError("This hold has already been charged or released.")
        if cost_micro < 0:
            raise ValueError(f"A charge of {cost_micro} micro-dollars.")
        overshoot = max(0, cost_micro - self.amount_micro)
        self._wallet.balance_micro -= cost_micro
        self.release()
        return overshoot

    def release(self) -> None:
        """End the hold without a charge. Does nothing if it has ended."""
        if self._open:
            self._open = False
            self._wallet.held_micro -= self.amount_micro


class Wallets:
    """Every customer's wallet, up to date with the ledger to `last_ledger_id`."""

    def __init__(self, boot_id: str) -> None:
        self._boot_id = boot_id
        self._wallets: dict[int, Wallet] = {}
        self.last_ledger_id = 0

    def load(self, balances: Mapping[int, int], last_ledger_id: int) -> None:
        """Balances and the last ledger id they contain, from one read. Once, before the first hold."""
        for customer_id, balance_micro in balances.items():
            self.wallet(customer_id).balance_micro = balance_micro
        self.last_ledger_id = last_ledger_id

    def apply(self, entries: Iterable[LedgerEntry]) -> None:
        """Follow the ledger. Entries of this process are skipped, they left the wallet when they were submitted;
        entries seen before are skipped too, so overlapping reads do no harm."""
        for entry in sorted(entries, key=lambda entry: entry.id):
            if entry.id <= self.last_ledger_id:
                continue
            self.last_ledger_id = entry.id
            if entry.boot_id != self._boot_id:
                self.wallet(entry.customer_id).balance_micro += entry.amount_micro

    def hold(self, customer_id: int, amount_micro: int, *, unlimited: bool = False) -> Hold:
        """Reserve `amount_micro`. Raises OutOfCredit saying what is left; an unlimited customer is never refused."""
        wallet = self.wallet(customer_id)
        if not unlimited and amount_micro > wallet.available_micro:
            raise out_of_credit(wallet, amount_micro)
        return Hold(wallet, amount_micro, unlimited=unlimited)

    def wallet(self, customer_id: int) -> Wallet:
        """A customer's wallet; one that the ledger has not mentioned yet is empty."""
        wallet = self._wallets.get(customer_id)
        if wallet is None:
            wallet = self._wallets[customer_id] = Wallet()
        return wallet

    def held(self) -> dict[int, int]:
        """Micro-dollars held per customer id, of those who hold any."""
        return {customer_id: wallet.held_micro for customer_id, wallet in self._wallets.items() if wallet.held_micro}

    def held_micro(self) -> int:
        """All open holds together."""
        return sum(wallet.held_micro for wallet in self._wallets.values())


def out_of_credit(wallet: Wallet, needed_micro: int, *, affordable_tokens: int | None = None) -> OutOfCredit:
    """The 402 for an empty wallet: what is left, what is held, what this call needs, what the rest would buy."""
    left = max(0, wallet.available_micro)
    held = f" ({format_usd(wallet.held_micro)} more is held by calls in progress)" if wallet.held_micro else ""
    buys = "" if affordable_tokens is None else f" It would pay for {affordable_tokens} output tokens."
    message = (
        f"Insufficient credit: {format_usd(left)} is left{held} and this call needs "
        f"{format_usd(needed_micro)}.{buys} Top up to continue."
    )
    details = {
        "balance_micro": wallet.balance_micro,
        "held_micro": wallet.held_micro,
        "available_micro": left,
        "needed_micro": needed_micro,
    }
    if affordable_tokens is not None:
        details["affordable_output_tokens"] = affordable_tokens
    return OutOfCredit(message, details=details)
