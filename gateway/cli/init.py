"""`trigate init`: data folder, master key, first account, first key, in that order. What is there already is kept."""

from typing import TYPE_CHECKING, Any

import click
from msgspec import UNSET

from gateway.cli import words
from gateway.cli.account_adding import add_account, draft, hints, needs_secret, vault_of
from gateway.cli.account_login import login_hints
from gateway.cli.command import Command, Session, pass_session
from gateway.cli.greeting import how_to_call
from gateway.cli.output import can_ask, show_json, talk
from gateway.cli.secrets import ask_secret, read_secret, secret_options
from gateway.cli.values import as_usd, list_option
from gateway.clock import now_ms
from gateway.errors import OperatorError, UsageError
from gateway.records import Account
from gateway.store.operators import keys
from gateway.store.operators.accounts import KINDS, AccountChanges
from gateway.store.queries.views import account_views, key_views

if TYPE_CHECKING:
    from gateway.store.database import Database

_KIND_WORDS = {
    "anthropic": "Anthropic, or a server that speaks its Messages API",
    "openai": "OpenAI, or a compatible server (llama.cpp, vLLM, Ollama, LM Studio, OpenRouter)",
    "claude-cli": "the Claude CLI of this machine, with your own plan",
    "simulated": "made-up answers, to look around",
}


class TestFailed(OperatorError):
    """The first account did not answer."""

    __test__ = False


class Answers:
    """The answers to the wizard's questions: from options, else from the keyboard, else the default."""

    def __init__(self, given: dict[str, Any], *, interactive: bool) -> None:
        self.given = given
        self.interactive = interactive

    def text(self, name: str, question: str, default: str = "") -> str:
        """An answer in words."""
        value = self.given[name]
        if value is not None:
            return str(value)
        if not self.interactive:
            return default
        answer: str = click.prompt(question, default=default, err=True, show_default=bool(default))
        return answer

    def agrees(self, question: str, *, default: bool) -> bool:
        """Yes or no; the default where nobody can be asked."""
        return click.confirm(question, default=default, err=True) if self.interactive else default


@click.command(cls=Command)
@click.option("--account", metavar="NAME", help="Name of the first account.")
@click.option("--kind", type=click.Choice(KINDS), help="What protocol family it speaks.")
@click.option("--base-url", metavar="URL", help="Where it is, if not at the vendor's own endpoint.")
@secret_options
@list_option("--models", "Upstream models to use.", "GLOB")
@click.option("--discover", is_flag=True, help="Read the server's own list of models.")
@click.option("--free", is_flag=True, help="Its models cost nothing.")
@click.option("--no-account", is_flag=True, help="Leave accounts for later.")
@click.option("--no-test", is_flag=True, help="Do not try the account.")
@click.option("--key", metavar="NAME", help="Name of the first key and its customer.")
@click.option("--tier", metavar="TIER", help="What the key may do.")
@click.option("--balance", type=as_usd, metavar="USD", help="Opening balance of its customer.")
@click.option("--unlimited", is_flag=True, help="A key for yourself: metered and never refused.")
@click.option("--no-key", is_flag=True, help="Leave keys for later.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the defaults.")
@pass_session
def init(session: Session, /, yes: bool, **given: Any) -> None:
    """Set up step by step: data folder, first account, first key.

    Every answer has an option; without a terminal nothing is asked. Run again, it keeps what is there.
    """
    answers = Answers(given, interactive=can_ask() and not yes and not given["secret_stdin"])
    talk(f"Data folder: {session.data_dir}")
    with session.database(create=True) as database:
        talk(f"Master key: {vault_of(session).origin}")
        _account_step(session, database, answers)
        secret = _key_step(session, database, answers)
        facts = {
            "data_dir": str(session.data_dir),
            "accounts": [view.name for view in account_views(database)],
            "keys": [view.key.name for view in key_views(database, now_ms()) if view.key.revoked_at is None],
            "key": secret,
        }
        if session.json:
            show_json(facts)
        elif secret is not None:
            click.echo(secret)
            for line in how_to_call(session, database, secret, given["tier"] or keys.DEFAULT_TIER, ()):
                talk(line)
    talk("\nNow start it: trigate serve")


def _account_step(session: Session, database: "Database", answers: Answers) -> None:
    given = answers.given
    known = [view.name for view in account_views(database)]
    if known:
        talk(f"Accounts: {words.listed(known)}")
    if given["no_account"] or (given["account"] or given["kind"]) in known:
        return
    wanted = given["account"] is not None or given["kind"] is not None
    if not wanted and not answers.agrees("Add an upstream account now?", default=not known and answers.interactive):
        if not known:
            talk("No account yet: trigate accounts add NAME --kind KIND --secret-stdin")
        return
    _add_account(session, database, answers)


def _add_account(session: Session, database: "Database", answers: Answers) -> None:
    given = answers.given
    if given["kind"] is None and answers.interactive:
        for kind, meaning in _KIND_WORDS.items():
            talk(f"  {kind}: {meaning}")
        given["kind"] = click.prompt("Kind", type=click.Choice(KINDS), default="anthropic", err=True)
    if given["kind"] is None:
        raise UsageError(f"What kind of account is {given['account']}? --kind {'|'.join(KINDS)}")
    kind = given["kind"]
    name = answers.text("account", "Name of the account", kind)
    local = kind in ("simulated", "claude-cli")
    url = given["base_url"] or "" if local else answers.text("base_url", "Base URL (empty for the vendor's own)")
    changes = AccountChanges(
        base_url=url or UNSET,
        models=UNSET if given["models"] is None else given["models"],
        free=True if given["free"] else UNSET,
    )
    secret = _secret(name, needs_secret(kind, changes), answers, local=local)
    discover = given["discover"] or (
        bool(url)
        and given["models"] is None
        and answers.agrees("Read its own list of models?", default=answers.interactive)
    )
    if url and not given["free"] and answers.agrees("Does it cost nothing (a server of your own)?", default=False):
        changes = AccountChanges(base_url=url, models=changes.models, free=True)
    # The Claude CLI of an account can be signed in once the account is there.
    if not given["no_test"] and not discover and kind != "claude-cli":
        _test(session, database, draft(name, kind, _sealed(session, secret), changes), answers)
    account = add_account(session, database, name, kind, secret, changes, discover=discover)
    talk(f"Account {name} added.")
    if discover and not given["no_test"]:
        _report(session, database, account)
    for line in (*login_hints(account), *hints(database, account)):
        talk(line)


def _secret(name: str, needed: bool, answers: Answers, *, local: bool) -> str | None:
    secret = read_secret(stdin=answers.given["secret_stdin"], variable=answers.given["secret_env"])
    if secret is not None or local:
        return secret
    if answers.interactive and (needed or click.confirm("Does it want a credential?", default=False, err=True)):
        return ask_secret(name)
    if needed:
        raise UsageError(f"The account {name} needs a credential: --secret-stdin or --secret-env VARIABLE.")
    return None


def _test(session: Session, database: "Database", account: Account, answers: Answers) -> None:
    """Try an account before it is stored. Raises TestFailed unless the operator wants it anyway."""
    if _report(session, database, account):
        return
    if not answers.interactive:
        raise TestFailed("Nothing was stored. Mend it, or give --no-test to store the account anyway.")
    if not click.confirm("Store it anyway?", default=False, err=True):
        raise TestFailed(f"The account was not stored. Run `{click.get_current_context().command_path}` again.")


def _report(session: Session, database: "Database", account: Account) -> bool:
    """Say how a short call to the account went; True if well."""
    from gateway.catalog.load import shipped_catalog
    from gateway.cli.probe import try_account
    from gateway.store.snapshot import load_overrides

    talk(f"Trying {account.name} …")
    try:
        probe = try_account(account, vault_of(session).open, load_overrides(database, shipped_catalog()))
    except UsageError as error:
        talk(error.message)
        return False
    talk(f"It answers: {probe.model}, {words.span(probe.duration_ms)}." if probe.ok else f"It fails. {probe.message}")
    return probe.ok


def _key_step(session: Session, database: "Database", answers: Answers) -> str | None:
    """The secret of a new key; None where there is one already or none is wanted."""
    given = answers.given
    known = [view.key.name for view in key_views(database, now_ms()) if view.key.revoked_at is None]
    if known:
        talk(f"Keys: {words.listed(known)}. A lost secret is replaced by `trigate keys rotate NAME`.")
    if given["no_key"] or given["key"] in known:
        return None
    if given["key"] is None and not answers.agrees("Make an API key now?", default=not known):
        return None
    name = answers.text("key", "Name of the key", _free_name(known))
    unlimited, balance = _credit(answers)
    _, secret = keys.create(
        database,
        session.actor,
        name,
        tier=given["tier"] or keys.DEFAULT_TIER,
        balance_micro=balance,
        unlimited=unlimited,
    )
    talk(f"Key {name} made. This is its secret; it cannot be shown again:\n")
    return secret


def _credit(answers: Answers) -> tuple[bool, int | None]:
    """Whether the key's customer is unlimited, and otherwise its opening balance."""
    given = answers.given
    if given["unlimited"] or given["balance"] is not None:
        return given["unlimited"], given["balance"]
    if answers.agrees("Is it for yourself (metered, never refused)?", default=True):
        return True, None
    return False, click.prompt("Opening balance in USD", default="10", value_proc=as_usd, err=True)


def _free_name(known: list[str]) -> str:
    candidates = ["first", *(f"key-{number}" for number in range(2, len(known) + 3))]
    return next(name for name in candidates if name not in known)


def _sealed(session: Session, secret: str | None) -> bytes:
    return b"" if secret is None else vault_of(session).seal(secret)
