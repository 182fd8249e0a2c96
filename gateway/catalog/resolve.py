"""From the name a client sent to the model that will serve it, and to its price at an instant."""

import re
from fnmatch import fnmatchcase
from functools import lru_cache

from gateway.catalog.models import Catalog, Model, Price, dashed

_MEMO_SIZE = 4096
_LONGEST_NAME = 200  # clients choose the names: nothing longer is looked at or remembered
_SUFFIX = re.compile(r"(?:\[\d+[km]\]|[-@]\d{8}|-\d{4}-\d{2}-\d{2})$")
_VERSION = re.compile(r"-\d{1,2}(?:[.-]\d{1,2})?(?=-|$)")
_CLAUDE_VERSION = re.compile(r"^(claude-(?:[a-z]+-)?\d{1,2})-(\d{1,2})(?=-|$)")


def resolve(catalog: Catalog, asked: str, *, family_fallback: bool = True) -> Model | None:
    """The model that serves `asked`, or None.

    Tried in this order: the id itself, an alias, dots for dashes (`claude-sonnet-4.6`), the same without a date
    (`-20251001`, `-2026-04-23`) or a context suffix (`[1m]`), and with `family_fallback` the newest active model of a
    family named with a version nobody knows (`claude-opus-9-9`, `claude-opus-latest`). A retired model resolves to
    the one it is `served_by`. Answers are remembered with the catalog: 0.1 us for a name seen before.
    """
    memo = catalog.resolved
    if len(asked) > _LONGEST_NAME:
        return None
    try:
        return memo[asked, family_fallback]
    except KeyError:
        pass
    model = _look_up(catalog, asked, family_fallback=family_fallback)
    if len(memo) >= _MEMO_SIZE:
        memo.clear()
    memo[asked, family_fallback] = model
    return model


def _look_up(catalog: Catalog, asked: str, *, family_fallback: bool) -> Model | None:
    names = catalog.names
    name = asked
    while True:
        model_id = names.get(name) or names.get(dashed(name))
        if model_id is not None:
            return _in_service(catalog, model_id)
        shorter = _SUFFIX.sub("", name)
        if shorter == name:
            return newest_of_family(catalog, name) if family_fallback else None
        name = shorter


def _in_service(catalog: Catalog, model_id: str) -> Model | None:
    """The model, or the end of its `served_by` chain. The bound is for an operator who closed it to a circle."""
    for _ in range(8):
        model = catalog.models.get(model_id)
        if model is None or model.lifecycle != "retired" or not model.served_by:
            return model
        model_id = model.served_by
    return None


def newest_of_family(catalog: Catalog, name: str) -> Model | None:
    """The newest active model of the family that `name` is an unknown version of. The name must be the family's and
    one version or `latest`, nothing else: arbitrary text never finds a model to be billed as."""
    family = _VERSION.sub("", name.removesuffix("-latest"), count=1)
    if family == name:
        return None
    members = [
        model
        for model in catalog.models.values()
        if model.family and model.family == family and model.lifecycle == "active"
    ]
    return max(members, key=lambda model: (model.created_at, model.id), default=None)


def price_at(model: Model, at_ms: int) -> Price | None:
    """The price version in force at an instant. None: not priced (yet), and so not to be sold."""
    for price in reversed(model.prices):
        if price.effective_at <= at_ms:
            return price
    return None


def spell(model_id: str, spelling: str) -> str:
    """An id as a tier lists it: `dash` is the vendor's own, `dot` writes Claude's versions as `claude-sonnet-4.6`."""
    return _CLAUDE_VERSION.sub(r"\1.\2", model_id) if spelling == "dot" else model_id


@lru_cache(maxsize=8192)
def matches(globs: tuple[str, ...], model_id: str) -> bool:
    """Whether an allow-list lets a model through. Each entry is a glob over the id, or an id in either spelling.

    An empty list lets nothing through: where empty means everything, the caller says so. A dot in a glob never
    stands for a dash, or `gpt-5.*` would let `gpt-5-mini` through.
    """
    spelled = (model_id, spell(model_id, "dot"))
    return any(
        dashed(glob) == dashed(model_id) or any(fnmatchcase(candidate, glob) for candidate in spelled) for glob in globs
    )
