"""Random interleavings of calls, growth, charges, top-ups and adjustments."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.billing.holds import Hold, Wallets
from gateway.errors import OutOfCredit
from gateway.records import LedgerEntry

CUSTOMERS = (1, 2)
amounts = st.integers(0, 1_000)


class WalletsMachine(RuleBasedStateMachine):
    """The ledger kept beside the wallets: what was committed, and what was charged but is not committed yet."""

    @initialize(balances=st.tuples(amounts, amounts))
    def start(self, balances: tuple[int, int]) -> None:
        self.wallets = Wallets("here")
        self.wallets.load(dict(zip(CUSTOMERS, balances, strict=True)), 0)
        self.expected = dict(zip(CUSTOMERS, balances, strict=True))
        self.open: list[tuple[int, Hold]] = []
        self.entries: list[LedgerEntry] = []
        self.overshoot = dict.fromkeys(CUSTOMERS, 0)
        self.adjusted = dict.fromkeys(CUSTOMERS, 0)

    def committed(self, customer_id: int, amount: int, boot_id: str) -> None:
        self.entries.append(LedgerEntry(len(self.entries) + 1, customer_id, "adjust", amount, 0, boot_id=boot_id))

    @rule(customer_id=st.sampled_from(CUSTOMERS), amount=amounts)
    def begin(self, customer_id: int, amount: int) -> None:
        wallet = self.wallets.wallet(customer_id)
        fits = amount <= wallet.balance_micro - wallet.held_micro
        try:
            hold = self.wallets.hold(customer_id, amount)
        except OutOfCredit:
            assert not fits
        else:
            assert fits
            assert wallet.held_micro <= wallet.balance_micro
            self.open.append((customer_id, hold))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), total=amounts)
    def grow(self, data: st.DataObject, total: int) -> None:
        customer_id, hold = data.draw(st.sampled_from(self.open))
        wallet = self.wallets.wallet(customer_id)
        before = hold.amount_micro
        if hold.grow_to(total):
            assert hold.amount_micro == max(before, total)
            assert total <= before or wallet.held_micro <= wallet.balance_micro
        else:
            assert hold.amount_micro == before

    @precondition(lambda self: self.open)
    @rule(data=st.data(), total=amounts)
    def shrink(self, data: st.DataObject, total: int) -> None:
        data.draw(st.sampled_from(self.open))[1].shrink_to(total)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), cost=amounts)
    def settle(self, data: st.DataObject, cost: int) -> None:
        customer_id, hold = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.overshoot[customer_id] += hold.charge(cost)
        self.expected[customer_id] -= cost
        self.committed(customer_id, -cost, "here")
        hold.release()

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        _, hold = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        hold.release()
        hold.release()

    @rule(customer_id=st.sampled_from(CUSTOMERS), amount=st.integers(-500, 1_000))
    def operator_writes(self, customer_id: int, amount: int) -> None:
        self.committed(customer_id, amount, "")
        self.expected[customer_id] += amount
        self.adjusted[customer_id] += min(0, amount)
        self.wallets.apply(self.entries[-5:])

    @invariant()
    def wallets_agree_with_the_ledger(self) -> None:
        for customer_id in CUSTOMERS:
            wallet = self.wallets.wallet(customer_id)
            assert wallet.balance_micro == self.expected[customer_id]
            assert wallet.held_micro == sum(hold.amount_micro for owner, hold in self.open if owner == customer_id)

    @invariant()
    def nothing_but_overshoot_and_adjustments_can_break_the_cover(self) -> None:
        for customer_id in CUSTOMERS:
            wallet = self.wallets.wallet(customer_id)
            uncovered = wallet.held_micro - wallet.balance_micro
            assert uncovered <= self.overshoot[customer_id] - self.adjusted[customer_id]


TestWallets = WalletsMachine.TestCase
TestWallets.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
