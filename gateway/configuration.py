"""The operator's configuration as the gateway works with it: one snapshot, and what follows from it.

Swapped whole when the database's revision moves, so a call sees one state from its first step to its last.
"""

from gateway.catalog import Model, Price
from gateway.catalog.resolve import matches, price_at, resolve, spell
from gateway.errors import Forbidden, UnknownModel
from gateway.records import Snapshot
from gateway.settings import Settings, with_changes
from gateway.terms import Caller
from gateway.translate import PAIRS
from gateway.upstream.hedging import rules_of
from gateway.upstream.serving import Served, build_serving


class Configuration:
    """A snapshot and its derived look-ups. `now_ms` decides which prices are in force when it is built.

    `settings` are those in force: as the process was started, with what the operator changed since in the database.
    Raises ConfigurationError for a change that cannot be followed.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        settings: Settings,
        *,
        now_ms: int,
    ) -> None:
        self.snapshot = snapshot
        self.settings = with_changes(settings, snapshot.setting_overrides)
        self.hedging_rules = rules_of(self.settings)
        self.accounts = {account.id: account for account in snapshot.accounts}
        self.served = build_serving(
            snapshot.accounts,
            snapshot.catalog,
            lambda model: price_at(model, now_ms) is not None,
            PAIRS,
        )

    def model(self, asked: str) -> Model:
        """The model a caller means, by any spelling. Raises UnknownModel."""
        local = self.served.get(asked)
        if local is not None:
            return local.model
        model = resolve(self.snapshot.catalog, asked, family_fallback=self.settings.family_fallback)
        if model is None:
            raise UnknownModel(
                f"Unknown model {asked[:100]!r}. GET /v1/models lists the ones you can call.", field="model"
            )
        return model

    def permit(self, caller: Caller, model: Model) -> None:
        """Raises Forbidden, saying what is allowed, where the tier or the key leaves this model out."""
        for holder, globs in (("tier", caller.tier.models), ("key", caller.key.models if caller.key else ())):
            if globs and not matches(globs, model.id):
                raise Forbidden(f"This {holder} may not use {model.id}. It allows: {', '.join(globs)}.", field="model")

    def callable_models(self, caller: Caller) -> list[Served]:
        """Exactly what this caller can call now: allowed, and served in one of the tier's dialects."""
        globs = caller.key.models if caller.key else ()
        return [
            served
            for model_id, served in self.served.items()
            if matches(caller.tier.models, model_id)
            and (not globs or matches(globs, model_id))
            and any(dialect in served.seats for dialect in caller.tier.dialects)
        ]

    def listed_id(self, caller: Caller, model: Model) -> str:
        """The id as this tier's listings spell it."""
        return spell(model.id, caller.tier.spelling)

    def price(self, model: Model, at_ms: int) -> Price | None:
        """What the model costs at an instant; None for one the operator declared free."""
        return price_at(model, at_ms)
