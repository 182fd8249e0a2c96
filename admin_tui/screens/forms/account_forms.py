"""What is done to an upstream account: added, changed, given another credential, proxy or header.

A credential is typed unseen, sealed in the thread that stores it, and kept nowhere else.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from admin_tui.actions import Change
from admin_tui.screens.forms.changes import save_edit, tell_done
from admin_tui.screens.forms.pairs import pairs, rates, written_pairs, written_rates
from admin_tui.widgets.form import Field, Form, Values
from gateway.errors import UsageError
from gateway.records import Account
from gateway.settings import program_folder
from gateway.store.database import Database
from gateway.store.operators import accounts, validate
from gateway.store.operators.accounts import DEFAULT_BASE_URLS, AccountChanges
from gateway.vault import load_vault

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

KIND_WORDS = (
    ("anthropic", "anthropic, or its Messages API"),
    ("openai", "openai, or a compatible server"),
    ("claude-cli", "claude-cli: the program, here"),
    ("simulated", "simulated: made-up answers"),
)
_ON_CANCEL = (
    ("unknown", "unknown: reckoned to the end"),
    ("stops", "stops: billing ends"),
    ("continues", "continues: billed to the end"),
)
_COST_EXAMPLE = "claude-*=1.50/7.50"
_MAP_EXAMPLE = "claude-*=anthropic/claude-*"


def ask_new_account(console: "ConsoleApp", then: Callable[[Account, bool], None]) -> None:
    """An account; `then` gets it, and whether its own list of models is to be read."""
    made: list[tuple[Account, bool]] = []
    fields = [
        Field("name", "Name", required=True, check=lambda text: validate.name(text, "account")),
        Field("kind", "Kind", "choice", "anthropic", choices=KIND_WORDS),
        Field("base_url", "Base URL", check=_check_url, help="Empty: the vendor's own endpoint, or none."),
        Field("secret", "Credential", "secret", help="Not shown, and sealed with the master key."),
        Field("models", "Models", "globs", (), help="Such as claude-*; empty: all of its vendor."),
        Field("discover", "Read its own list", "bool", False, help="Of models: for servers that have one."),
        Field("free", "Free", "bool", False, help="Its models cost nothing: a server of your own."),
        *_place_fields(None),
    ]

    async def save(values: Values) -> None:
        secret = values.pop("secret").strip()
        discover = values.pop("discover")
        name, kind = values.pop("name"), values.pop("kind")
        url = values["base_url"]
        if not secret and kind in DEFAULT_BASE_URLS and url in ("", DEFAULT_BASE_URLS[kind]):
            raise UsageError(f"Accounts of kind {kind} at the vendor's own endpoint need a credential.")
        given: dict[str, Any] = {field: value for field, value in values.items() if value not in ("", (), None, False)}
        if kind == "claude-cli":
            # A cancelled call ends its process.
            given["on_cancel"] = "stops"
        account = await console.actions.write(
            lambda database, actor: accounts.add(
                database,
                actor,
                name,
                kind=kind,
                sealed_secret=seal(database, console.data_dir, secret) if secret else b"",
                fields=AccountChanges(**given) if given else None,
            )
        )
        made.append((account, discover))
        tell_done(console, f"Account {name} is added.{_hint(account)}")

    def closed(_values: Values | None) -> None:
        if made:
            then(*made.pop())

    console.push_screen(Form("New account", fields, save, verb="Add"), closed)


def _hint(account: Account) -> str:
    if account.kind == "claude-cli" and not account.sealed_secret:
        return f" It is not signed in yet: `trigate accounts login {account.name}`."
    return ""


def ask_edit_account(console: "ConsoleApp", account: Account) -> None:
    """Only what was changed is written."""
    fields = [
        Field(
            "name", "Name", value=account.name, required=True, check=lambda text: validate.name(text, "account")
        ),
        *_place_fields(account),
        Field("models", "Models", "globs", account.models, help="Such as claude-*; empty: all it has."),
        Field("model_map", "Model map", value=written_pairs(account.model_map), check=_read_map,
              help=f"What it calls them: {_MAP_EXAMPLE}"),
        Field("cost_prices", "Costs you", value=written_pairs(account.cost_prices, written_rates), check=_read_costs,
              help=f"In/out[/read[/write]], USD a million: {_COST_EXAMPLE}"),
        Field("base_url", "Base URL", value=account.base_url, check=_check_url),
        Field("dialects", "Dialects", value=" ".join(account.dialects), check=_read_dialects,
              help="messages chat responses; empty: all its kind can."),
        Field("on_cancel", "On cancel", "choice", account.on_cancel, choices=_ON_CANCEL),
        Field("free", "Free", "bool", account.free, help="Its models cost nothing, on purpose."),
    ]  # fmt: skip

    async def save(values: Values) -> None:
        values["model_map"] = _read_map(values["model_map"])
        values["dialects"] = _read_dialects(values["dialects"])
        # Rates that the field cannot write in full stay as they are while its text does.
        text = values["cost_prices"]
        unchanged = text == written_pairs(account.cost_prices, written_rates)
        values["cost_prices"] = account.cost_prices if unchanged else _read_costs(text)
        for field, default in (("priority", 0), ("weight", 1)):
            values[field] = default if values[field] is None else values[field]
        await save_edit(
            console,
            account.name,
            {name: getattr(account, name) for name in values},
            values,
            find=accounts.find,
            change=lambda database, actor, name, given: accounts.change(database, actor, name, AccountChanges(**given)),
        )

    console.push_screen(Form(f"Change {account.name}", fields, save))


def ask_rotate_account(console: "ConsoleApp", account: Account, then: Callable[[], None]) -> None:
    """Another credential, typed unseen; `then` follows."""
    field = Field("secret", "New credential", "secret", required=True, check=_check_secret,
                  help="Not shown, and sealed with the master key.")  # fmt: skip
    stored: list[bool] = []

    async def save(values: Values) -> None:
        secret = values.pop("secret").strip()
        await console.actions.write(
            lambda database, actor: accounts.rotate(
                database, actor, account.name, seal(database, console.data_dir, secret)
            )
        )
        stored.append(True)
        tell_done(console, f"{account.name} has a new credential; its cool-downs are forgotten.")

    note = "The old one is overwritten: it is not kept. Calls under way finish with it."
    console.push_screen(
        Form(f"New credential of {account.name}", [field], save, verb="Store", note=note),
        lambda _: then() if stored else None,
    )


def ask_route(console: "ConsoleApp", account: Account) -> None:
    """Proxy and headers. Both can carry credentials, so that they are typed unseen and not shown again."""
    now = account.shown_proxy or ""
    names = ", ".join(sorted(account.extra_headers))
    fields = [
        Field("proxy", "Proxy", "secret", check=_check_proxy,
              help=f"Now {now}. Empty leaves it, - takes it out." if now else "http, https or socks5 URL."),
        Field("header", "Header", help=f"Now: {names}." if names else "Sent with every call."),
        Field("value", "Its value", "secret", help="Empty takes that header out."),
    ]  # fmt: skip

    async def save(values: Values) -> None:
        proxy, header, value = values.pop("proxy").strip(), values["header"].lower(), values.pop("value").strip()
        if value and not header:
            raise UsageError("Which header has that value?")
        if header and not value and header not in account.extra_headers:
            raise UsageError(f"{account.name} sends no header {header}. Its value is needed to add it.")

        def change(database: Database, actor: str) -> Account:
            # Of this moment: another console may have added one since.
            others = accounts.find(database, account.name).extra_headers
            headers = {name: each for name, each in others.items() if name != header}
            if header and value:
                headers[header] = value
            given = AccountChanges(
                proxy=UNSET if not proxy else None if proxy == "-" else proxy,
                extra_headers=headers if header else UNSET,
            )
            return accounts.change(database, actor, account.name, given)

        await console.actions.write(change)
        # No undo: it would keep what may be a credential.
        tell_done(console, f"{account.name} is changed.")

    note = "What is typed is not shown: either may hold a password. Audit rows say only that it changed."
    console.push_screen(Form(f"Proxy and headers of {account.name}", fields, save, note=note))


def seal(database: Database, data_dir: Path, secret: str) -> bytes:
    """The credential as it is stored. The master key is made on first use. Raises ConfigurationError, NotPermitted."""
    may_make = accounts.count_sealed(database) == 0
    return load_vault(data_dir, os.environ, may_make=may_make).seal(secret)


def removal(account: Account, data_dir: Path) -> Change[None]:
    """Deletes the account, and the login of one that is a program."""

    def remove(database: Database, actor: str) -> None:
        accounts.remove(database, actor, account.name)
        if account.kind == "claude-cli":
            import shutil

            shutil.rmtree(program_folder(data_dir, account.id), ignore_errors=True)

    return remove


def _place_fields(account: Account | None) -> list[Field]:
    """When it is tried, and how much it takes."""
    return [
        Field("priority", "Priority", "int", account.priority if account else None, check=_check_priority,
              help="Higher is tried first; 0 if empty."),
        Field("weight", "Weight", "int", account.weight if account else None,
              check=lambda value: validate.limit(value, "The weight"),
              help="Share of the calls among equal priorities; 1 if empty."),
        Field("max_concurrency", "Calls at once", "int", account.max_concurrency if account else None,
              check=lambda value: validate.limit(value, "The concurrency"), help="Empty: no limit."),
    ]  # fmt: skip


def _check_priority(value: int) -> None:
    if abs(value) > 1_000_000:
        raise UsageError("A priority is a number from -1000000 to 1000000.")


def _check_url(text: str) -> None:
    validate.url(text, "base URL")


def _check_proxy(text: str) -> None:
    if text.strip() == "-":
        return
    try:
        validate.url(text.strip(), "proxy", ("http", "https", "socks5"), credentials=True)
    except UsageError:
        # The refusal's own words repeat what was typed, which may hold a password.
        raise UsageError("The proxy is a URL such as socks5://host:port.") from None


def _check_secret(text: str) -> None:
    if not text.strip():
        raise UsageError("New credential is needed.")


def _read_map(text: str) -> dict[str, str]:
    return pairs(text, str, _MAP_EXAMPLE)


def _read_costs(text: str) -> dict[str, Any]:
    return pairs(text, rates, _COST_EXAMPLE)


def _read_dialects(text: str) -> tuple[str, ...]:
    return validate.dialects(text.replace(",", " ").split(), empty=True)
