"""`trigate usage`: what was called, by whom, and what it cost. Reads the database alone."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from gateway.cli import words
from gateway.cli.command import Noun, Session, pass_session
from gateway.cli.output import Column, Facts, facts_of, paint_state, show_json, show_list, show_table, talk
from gateway.cli.receipt import receipt_facts, show_receipt
from gateway.cli.values import as_past
from gateway.clock import now_ms
from gateway.errors import NotFound, UsageError
from gateway.records import Call
from gateway.store.operators import accounts, customers, keys
from gateway.store.queries.calls import CallFilter, find_call, list_calls
from gateway.store.queries.lookups import find_price
from gateway.store.queries.names import Names, load_names
from gateway.store.queries.usage import Dimension, UsageSum, summarize

if TYPE_CHECKING:
    from gateway.store.database import Database

_PAGE = 500
_DAY_MS = 86_400_000
_DIMENSIONS = ("hour", "day", "customer", "key", "model", "account")
_SUMS = (
    Column("CALLS", lambda each: words.limit(each["calls"]), right=True),
    Column("FAILED", lambda each: words.limit(each["failed_calls"]), right=True),
    Column("INPUT", lambda each: words.limit(_prompt(each)), right=True),
    Column("CACHED", lambda each: words.limit(each["cache_read_tokens"]), right=True),
    Column("OUTPUT", lambda each: words.limit(each["output_tokens"]), right=True),
    Column("CHARGED", lambda each: words.usd(each["charged_micro"]), right=True),
    Column("UPSTREAM", lambda each: words.usd(each["upstream_micro"]), right=True),
)
_CALLS = (
    Column("TIME", lambda each: words.instant(each["started_at"])),
    Column("ID", lambda each: each["id"]),
    Column("KEY", lambda each: each["key_name"]),
    Column("MODEL", lambda each: each["model"]),
    Column("INPUT", lambda each: words.limit(_prompt(each["usage"])), right=True),
    Column("OUTPUT", lambda each: words.limit(each["usage"]["output_tokens"]), right=True),
    Column("COST", lambda each: words.usd(each["cost_micro"]), right=True),
    Column("TOOK", lambda each: words.span(each["duration_ms"]), right=True),
    Column("STATUS", lambda each: _status(each), paint=paint_state),
)


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--since", type=as_past, metavar="TIME", help="From then on: 2026-12-01, or 24h ago."),
            click.option("--until", type=as_past, metavar="TIME", help="Until before then."),
            click.option("--customer", metavar="NAME", help="Only this customer's."),
            click.option("--key", metavar="KEY", help="Only this key's, by name or id."),
            click.option("--model", metavar="MODEL", help="Only this model's."),
            click.option("--account", metavar="NAME", help="Only what this account served."),
        )
    ):
        command = option(command)
    return command


@click.group(cls=Noun)
def usage() -> None:
    """What was called and what it cost."""


@usage.command()
@_filters
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(_DIMENSIONS),
    help="Group by this; may be repeated. Default: model.",
)
@pass_session
def summary(
    session: Session, /, since: int | None, until: int | None, by: tuple[Dimension, ...], **wanted: str | None
) -> None:
    """Sums of calls, tokens and money, by UTC hours; of the last 30 days if not said otherwise."""
    until_at = now_ms() if until is None else until
    since_at = until_at - 30 * _DAY_MS if since is None else since
    groups = by or ("model",)
    with session.database(read_only=True) as database:
        ids = _ids(database, wanted)
        found = summarize(database, since_at=since_at, until_at=until_at, by=groups, **ids)
        total = summarize(database, since_at=since_at, until_at=until_at, **ids)[0]
        names = load_names(database)
    facts = [_sum_facts(each, names) for each in found]
    whole = facts_of(total)
    if session.json:
        show_json({"since_at": since_at, "until_at": until_at, "groups": facts, "total": whole})
        return
    if not facts:
        talk(f"Nothing was called between {words.instant(since_at)} and {words.instant(until_at)}.")
        return
    columns = [Column(each.upper(), _group_text(each)) for each in groups]
    show_table([*columns, *_SUMS], facts)
    spent = f"{words.usd(total.charged_micro)} charged, {words.usd(total.upstream_micro)} upstream"
    talk(f"{words.plural(total.calls, 'call')} from {words.instant(since_at)}: {spent}")


@usage.command("list")
@_filters
@click.option("--open", "only_open", is_flag=True, help="Only calls in flight.")
@click.option("--failed", is_flag=True, help="Only calls that failed.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, metavar="N", help="At most.")
@click.option("--before", metavar="ID", help="Calls before this one: the next page.")
@pass_session
def list_recent(
    session: Session,
    /,
    since: int | None,
    until: int | None,
    only_open: bool,
    failed: bool,
    limit: int,
    before: str | None,
    **wanted: str | None,
) -> None:
    """Single calls, newest first."""
    with session.database(read_only=True) as database:
        chosen = CallFilter(
            **_ids(database, wanted),
            since_at=since,
            until_at=until,
            state="open" if only_open else None,
            outcome="failed" if failed else None,
        )
        calls = list_calls(database, chosen, before_id=before, limit=limit)
        names = load_names(database)
    facts = [call_facts(call, names) for call in calls]
    show_list(session, facts, _CALLS, empty="No such calls.")


@usage.command()
@click.argument("call_id", metavar="ID")
@pass_session
def show(session: Session, call_id: str) -> None:
    """The receipt of one call: tokens by price, and every attempt."""
    with session.database(read_only=True) as database:
        story = find_call(database, call_id)
        if story is None:
            raise NotFound(f"There is no call {call_id!r}. `trigate usage list` shows them.")
        price = find_price(database, story.call.price_version, story.call.model)
        names = load_names(database)
    facts = receipt_facts(story, price, call_facts(story.call, names), names.accounts)
    if session.json:
        show_json(facts)
    else:
        show_receipt(story, facts)


@usage.command()
@_filters
@click.option(
    "--format", "form", type=click.Choice(("csv", "jsonl")), default="csv", show_default=True, help="What to write."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; else standard output.")
@pass_session
def export(
    session: Session,
    /,
    since: int | None,
    until: int | None,
    form: str,
    output: Path | None,
    **wanted: str | None,
) -> None:
    """Every call that matches, newest first, one a line."""
    with session.database(read_only=True) as database:
        chosen = CallFilter(**_ids(database, wanted), since_at=since, until_at=until)
        lines = _export(database, chosen, load_names(database), "jsonl" if session.json else form)
        try:
            written = _write(lines, output)
        except OSError as error:
            if output is None:
                raise
            raise UsageError(f"{output} cannot be written: {error.strerror}.") from error
    talk(f"{words.plural(written, 'call')} exported.")


def _write(lines: Iterator[str], output: Path | None) -> int:
    """The number of calls written; the first line of CSV is its heading."""
    target = sys.stdout if output is None else output.open("w", encoding="utf-8", newline="")
    try:
        written = 0
        for line in lines:
            target.write(line)
            written += line.startswith(("{", "req_"))
        return written
    finally:
        if output is not None:
            target.close()


def _export(database: "Database", chosen: CallFilter, names: Names, form: str) -> Iterator[str]:
    """Lines, one page of calls at a time: no read stays open while the next is written."""
    import csv
    import io

    import msgspec

    before_id: str | None = None
    heading: list[str] = []
    while calls := list_calls(database, chosen, before_id=before_id, limit=_PAGE):
        before_id = calls[-1].id
        for call in calls:
            facts = call_facts(call, names)
            if form == "jsonl":
                yield msgspec.json.encode(facts).decode() + "\n"
                continue
            flat = {**facts, **facts["usage"], "warnings": words.listed(facts["warnings"])}
            del flat["usage"]
            buffer = io.StringIO()
            writer = csv.writer(buffer, lineterminator="\n")
            if not heading:
                heading = list(flat)
                writer.writerow(heading)
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
            writer.writerow([flat[name] for name in heading])
            yield buffer.getvalue()


def call_facts(call: Call, names: Names) -> Facts:
    """A call's fields, with the names of its key, customer and account."""
    return {
        **facts_of(call),
        "customer": names.of("customer", call.customer_id),
        "key_name": names.of("key", call.key_id),
        "account": names.of("account", call.account_id),
    }


def _ids(database: "Database", wanted: dict[str, str | None]) -> dict[str, Any]:
    """The filters by name as filters by id. Raises NotFound."""
    customer, key, account = wanted["customer"], wanted["key"], wanted["account"]
    return {
        "customer_id": None if customer is None else customers.find(database, customer).id,
        "key_id": None if key is None else keys.find(database, key).id,
        "account_id": None if account is None else accounts.find(database, account).id,
        "model": None if wanted["model"] is None else _model_id(database, wanted["model"]),
    }


def _model_id(database: "Database", asked: str) -> str:
    """The catalog's id for any spelling; a name it does not know is taken as it is."""
    from gateway.catalog.load import shipped_catalog
    from gateway.catalog.resolve import resolve
    from gateway.store.snapshot import load_overrides

    catalog = load_overrides(database, shipped_catalog())
    if asked in catalog.models:
        return asked
    found = resolve(catalog, asked, family_fallback=False)
    return asked if found is None else found.id


def _sum_facts(found: UsageSum, names: Names) -> Facts:
    facts = facts_of(found)
    for kind in ("customer", "key", "account"):
        if kind in found.group:
            facts["group"][f"{kind}_id"] = found.group[kind]
            facts["group"][kind] = names.of(cast(Any, kind), found.group[kind])
    return facts


def _group_text(dimension: Dimension) -> Callable[[Facts], str]:
    def text(facts: Facts) -> str:
        value = facts["group"][dimension]
        if dimension == "day":
            return words.instant(value)[:10]
        return words.instant(value)[:16] if dimension == "hour" else str(value) or "none"

    return text


def _prompt(usage: Facts) -> int:
    """Everything the model read, as sums and calls count it."""
    names = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_30m", "cache_write_12h")
    return sum(usage[f"{name}_tokens"] for name in names)


def _status(facts: Facts) -> str:
    if facts["state"] == "open":
        return "open"
    return facts["outcome"] if facts["outcome"] != "failed" else f"failed, {facts['status']} {facts['error_code']}"
