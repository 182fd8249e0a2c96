"""Which account a conversation stays at, so that its prompt is found in that account's cache and its sealed content
can be read.

    bound      the first account that answers; used again for as long as the conversation goes on, and an hour more
    borrowed   the bound account is full, cools down or failed for the moment: another answers, the binding stays
    out        the bound account failed for good, failed or was late three times in a row, or is disabled: others come
               first, and who answers next is bound
    moved      so too where another has answered in its place for five minutes, by when its cache has forgotten what the
               other's now holds; a thread of sealed reasoning moves with every answer, which only its account can read

One per process. Pure but for the clock that it is given; what must survive a restart is taken once a second.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from msgspec import Struct

from gateway.clock import now_ms
from gateway.dialects.affinity import THREAD
from gateway.records import Account
from gateway.upstream.cooldown import Cause, Failure

HOUR_MS = 3_600_000
WARM_MS = 30 * 60 * 1000
"""How long a prompt is taken to stay in a provider's cache: Anthropic keeps it for 5 or 60 minutes, OpenAI for 30."""

BORROWED_MS = 5 * 60 * 1000
QUIET_MS = 15 * 60 * 1000
OUT = 3
MOST_BINDINGS = 20_000
KEPT_MS = 7 * 24 * HOUR_MS
"""How long it is known where a conversation was, for the sealed reasoning in it; chosen by it is for an hour."""

TELL_AFTER_MS = 60_000
"""A binding that is merely used again is written this often: after a crash its hour is a minute short."""

Key = tuple[bytes, str]
Row = tuple[bytes, str, int, int]
"""(binding, model id, account id, last used at), as the database has it."""

_FOR_GOOD = frozenset((Cause.QUOTA, Cause.CREDENTIALS, Cause.MODEL_MISSING))


class _Binding(Struct):
    """`served_at` is the bound account's own last answer. `lent_to` answered in its place since `borrowed_since`."""

    account_id: int
    used_at: int
    served_at: int
    told_at: int = 0
    strikes: int = 0
    struck_at: int = 0
    borrowed_since: int = 0
    lent_to: int = 0
    lent_at: int = 0


class Affinity:
    """The bindings of every conversation × model, least used first. `clock` gives milliseconds since the epoch."""

    def __init__(self, clock: Callable[[], int] = now_ms, *, most: int = MOST_BINDINGS) -> None:
        self._clock = clock
        self._most = most
        self._bindings: OrderedDict[Key, _Binding] = OrderedDict()
        self._changed: set[Key] = set()
        self._accounts: dict[int, tuple[bool, int]] | None = None
        self._disabled: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self._bindings)

    # Asking ---------------------------------------------------------------------------------------------------------

    def bound(self, binding: bytes | None, model_id: str) -> int | None:
        """The account a conversation is bound to; None if there is none, it is out, or all was silent for an hour."""
        found = self._live(binding, model_id)
        return None if found is None or self._is_out(found) else found.account_id

    def avoided(self, binding: bytes | None, model_id: str) -> int | None:
        """The account a conversation was bound to, where it is out: to be asked if nobody else can answer."""
        found = self._live(binding, model_id)
        return found.account_id if found is not None and self._is_out(found) else None

    def origin(self, binding: bytes | None, model_id: str) -> int | None:
        """The account a conversation was bound to last, however long it has been silent."""
        found = self._bindings.get((binding, model_id)) if binding is not None else None
        return None if found is None or self._clock() - found.used_at >= KEPT_MS else found.account_id

    def borrowed(self, binding: bytes | None, model_id: str) -> int | None:
        """The account that answered last in the bound one's place, and may have the prompt in its cache by now."""
        found = self._live(binding, model_id)
        if found is None or not found.lent_to or self._clock() - found.lent_at >= WARM_MS:
            return None
        return found.lent_to

    def warm(self, binding: bytes | None, model_id: str, account_id: int) -> bool:
        """This account answered the conversation lately: the beginning of its prompt is likely in its cache."""
        found = self._live(binding, model_id)
        if found is None:
            return False
        answered_at = found.served_at if account_id == found.account_id else 0
        if account_id == found.lent_to:
            answered_at = found.lent_at
        return answered_at > 0 and self._clock() - answered_at < WARM_MS

    # Learning -------------------------------------------------------------------------------------------------------

    def answered(self, binding: bytes | None, model_id: str, account_id: int, *, late: bool = False) -> None:
        """An account answered the call. Binds a conversation that was free, refreshes the hour of one that was not,
        and moves it if the bound account is out. `late`: it began so late that another would have been asked meanwhile,
        had it been allowed."""
        if binding is None:
            return
        key, now = (binding, model_id), self._clock()
        found = self._live(binding, model_id)
        if found is None:
            self._bind(key, _Binding(account_id, now, now))
        elif account_id == found.account_id:
            found.borrowed_since = 0
            found.served_at = now
            if late:
                self._strike(binding, model_id, account_id, 1)
            else:
                found.strikes = 0
            self._touch(key, found, now)
        elif binding.startswith(THREAD) or self._is_out(found) or _long_borrowed(found, now):
            moved = _Binding(account_id, now, now, lent_to=found.account_id, lent_at=found.served_at)
            self._bind(key, moved)
        else:
            found.borrowed_since = found.borrowed_since or now
            found.lent_to, found.lent_at = account_id, now
            self._touch(key, found, now)

    def failed(self, binding: bytes | None, model_id: str, account_id: int, transient: bool) -> None:
        """An attempt failed at this account. One that is not transient puts it out at once; see `is_transient`."""
        self._strike(binding, model_id, account_id, 1 if transient else OUT)

    def slow(self, binding: bytes | None, model_id: str, account_id: int) -> None:
        """This account kept the call waiting until another overtook it."""
        self._strike(binding, model_id, account_id, 1)

    def adopt(self, accounts: Iterable[Account]) -> None:
        """Follow a new snapshot: forget bindings to accounts that are gone, take disabled ones for out, and forget what
        was held against those that the operator reset. Conversations bound to draining accounts stay."""
        known = {account.id: (account.enabled, account.reset_at) for account in accounts}
        if known == self._accounts:
            return
        self._accounts = known
        self._disabled = frozenset(account_id for account_id, (enabled, _) in known.items() if not enabled)
        for key, found in list(self._bindings.items()):
            if found.account_id not in known:
                del self._bindings[key]
            elif found.struck_at <= known[found.account_id][1]:
                found.strikes = 0

    # Mirroring ------------------------------------------------------------------------------------------------------

    def take_changed(self) -> list[Row]:
        """What changed since the last time, for the database."""
        changed, self._changed = self._changed, set()
        rows: list[Row] = []
        for key in changed:
            found = self._bindings.get(key)
            if found is not None:
                found.told_at = found.used_at
                rows.append((*key, found.account_id, found.used_at))
        return rows

    def restore(self, rows: Iterable[Row]) -> None:
        """Take over the bindings of the process before this one; the oldest beyond the bound are left out."""
        now = self._clock()
        for binding, model_id, account_id, used_at in sorted(rows, key=lambda row: row[3]):
            if now - used_at < KEPT_MS:
                at = min(used_at, now)
                self._bindings[binding, model_id] = _Binding(account_id, at, at, told_at=at)
        self._trim()

    # Inside ---------------------------------------------------------------------------------------------------------

    def _live(self, binding: bytes | None, model_id: str) -> _Binding | None:
        if binding is None:
            return None
        found = self._bindings.get((binding, model_id))
        return None if found is None or self._clock() - found.used_at >= HOUR_MS else found

    def _is_out(self, found: _Binding) -> bool:
        return found.strikes >= OUT or found.account_id in self._disabled

    def _bind(self, key: Key, found: _Binding) -> None:
        self._bindings[key] = found
        self._bindings.move_to_end(key)
        self._changed.add(key)
        self._trim()

    def _touch(self, key: Key, found: _Binding, now: int) -> None:
        found.used_at = now
        self._bindings.move_to_end(key)
        if now - found.told_at >= TELL_AFTER_MS:
            self._changed.add(key)

    def _strike(self, binding: bytes | None, model_id: str, account_id: int, strikes: int) -> None:
        found = self._live(binding, model_id)
        if found is None or found.account_id != account_id:
            return
        now = self._clock()
        before = found.strikes if now - found.struck_at < QUIET_MS else 0
        found.strikes = min(OUT, before + strikes)
        found.struck_at = now

    def _trim(self) -> None:
        while len(self._bindings) > self._most:
            key, _ = self._bindings.popitem(last=False)
            self._changed.discard(key)


def is_transient(failure: Failure) -> bool:
    """Whether the account may be itself again before its cache has forgotten the conversation."""
    hint_s = failure.retry_after_s or 0.0
    return failure.cause not in _FOR_GOOD and hint_s * 1000 < BORROWED_MS


def _long_borrowed(found: _Binding, now: int) -> bool:
    return found.borrowed_since > 0 and now - found.borrowed_since >= BORROWED_MS
