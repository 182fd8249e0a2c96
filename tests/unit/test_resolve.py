"""From the names clients send to the models that serve them."""

import pytest
from msgspec import structs

from gateway.catalog import Catalog
from gateway.catalog.load import shipped_catalog
from gateway.catalog.resolve import matches, resolve, spell

CATALOG = shipped_catalog()


def served(asked: str, *, family_fallback: bool = True) -> str | None:
    model = resolve(CATALOG, asked, family_fallback=family_fallback)
    return model.id if model else None


@pytest.mark.parametrize(
    ("asked", "model_id"),
    [
        # What people's documentation tells them to send.
        ("claude-opus-4.6", "claude-opus-4-6"),
        ("claude-sonnet-4.6", "claude-sonnet-4-6"),
        ("claude-haiku-4.5", "claude-haiku-4-5"),
        ("claude-sonnet-4-6", "claude-sonnet-4-6"),
        ("gpt-5.5", "gpt-5.5"),
        ("gpt-5.4", "gpt-5.4"),
        ("claude-3-5-sonnet-20241022", "claude-sonnet-4-6"),
        ("claude-3-7-sonnet-20250219", "claude-sonnet-4-6"),
        ("claude-opus-4-20250514", "claude-opus-4-5"),
        # What the command-line clients send.
        ("claude-opus-4-8", "claude-opus-4-8"),
        ("claude-opus-4-8[1m]", "claude-opus-4-8"),
        ("claude-sonnet-5", "claude-sonnet-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("gpt-6-sol", "gpt-6-sol"),
        # Aliases, and other spellings of the vendors.
        ("opus", "claude-opus-5-5"),
        ("sonnet", "claude-sonnet-5-5"),
        ("haiku", "claude-haiku-5-5"),
        ("opus[1m]", "claude-opus-5-5"),
        ("claude-sonnet-4-0", "claude-sonnet-4-6"),
        ("gpt-5.5-2026-04-23", "gpt-5.5"),
        ("gpt-4.1-2025-04-14", "gpt-4.1"),
        # Dots and dashes, dates nobody listed.
        ("gpt-5-5", "gpt-5.5"),
        ("claude-3.7-sonnet-20250219", "claude-sonnet-4-6"),
        ("claude-opus-5.5-20260922[1m]", "claude-opus-5-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
    ],
)
def test_the_names_clients_send(asked: str, model_id: str) -> None:
    assert served(asked) == model_id


@pytest.mark.parametrize(
    ("asked", "model_id"),
    [
        ("claude-opus-9-9", "claude-opus-5-5"),
        ("claude-sonnet-6", "claude-sonnet-5-5"),
        ("claude-haiku-latest", "claude-haiku-5-5"),
        ("claude-4-opus", "claude-opus-5-5"),
        ("gpt-7-sol", "gpt-6.1-sol"),
    ],
)
def test_an_unknown_version_of_a_family_gets_the_newest_if_wanted(asked: str, model_id: str) -> None:
    assert served(asked) == model_id
    assert served(asked, family_fallback=False) is None


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "claude",
        "claude-opus",
        "claude-opus-fast",
        "claude-opus-9-9-turbo",
        "my-claude-opus-9-9",
        "gpt-9",
        "llama",
        "Opus",
        "claude-opus-5-5 ",
        "[1m]",
        "-20251001",
        "x" * 100_000,
        "[1m]" * 40,
    ],
)
def test_text_that_is_no_models_name_finds_none(asked: str) -> None:
    assert served(asked) is None


def test_the_memo_of_names_is_bounded() -> None:
    catalog = Catalog(CATALOG.models, CATALOG.aliases)
    for number in range(10_000):
        resolve(catalog, f"unknown-{number}")
    assert len(catalog.resolved) <= 4096


def test_a_circle_of_retired_models_serves_nobody() -> None:
    one = structs.replace(CATALOG.models["gpt-5"], id="one", served_by="two", lifecycle="retired")
    two = structs.replace(one, id="two", served_by="one")
    assert resolve(Catalog({"one": one, "two": two}, {}), "one") is None


@pytest.mark.parametrize(
    ("model_id", "dotted"),
    [
        ("claude-sonnet-4-6", "claude-sonnet-4.6"),
        ("claude-opus-5-5", "claude-opus-5.5"),
        ("claude-fable-5", "claude-fable-5"),
        ("claude-opus-4-20250514", "claude-opus-4-20250514"),
        ("claude-3-5-sonnet-20241022", "claude-3.5-sonnet-20241022"),
        ("gpt-5.5", "gpt-5.5"),
    ],
)
def test_a_tier_may_list_versions_with_dots(model_id: str, dotted: str) -> None:
    assert spell(model_id, "dot") == dotted
    assert spell(model_id, "dash") == model_id


@pytest.mark.parametrize("model_id", CATALOG.models)
def test_every_dotted_spelling_resolves_to_what_its_id_does(model_id: str) -> None:
    assert resolve(CATALOG, spell(model_id, "dot")) is resolve(CATALOG, model_id)


@pytest.mark.parametrize(
    ("globs", "model_id", "through"),
    [
        (("*",), "gpt-5.5", True),
        (("claude-*",), "claude-opus-5-5", True),
        (("claude-*",), "gpt-5.5", False),
        (("gpt-*", "o*"), "o4-mini", True),
        (("claude-sonnet-4.6",), "claude-sonnet-4-6", True),
        (("claude-sonnet-4.*",), "claude-sonnet-4-6", True),
        (("gpt-5-5",), "gpt-5.5", True),
        (("gpt-5.*",), "gpt-5-mini", False),
        (("gpt-5",), "gpt-5.5", False),
        ((), "gpt-5.5", False),
    ],
)
def test_allow_lists(globs: tuple[str, ...], model_id: str, through: bool) -> None:
    assert matches(globs, model_id) is through
