"""Asks where what a screen shows is to be written: exact amounts, readable by its owner alone."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from admin_tui import format
from admin_tui.export import as_csv, as_json, write_private
from admin_tui.feed import in_thread
from admin_tui.widgets.form import Field, Form, Values
from gateway.billing.money import MICRO

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

Value = str | int | float | Decimal | None


class Sheet(NamedTuple):
    """`name` goes into the file's name; unknown values are None, which stay empty."""

    name: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Value]]


def usd(micro: int | None) -> Decimal | None:
    """Dollars, exactly."""
    return None if micro is None else Decimal(micro) / MICRO


def file_word(name: str) -> str:
    """A name as a part of a file's name."""
    return "".join(each if each.isalnum() or each in "-_." else "-" for each in name)[:60]


def ask_export(console: "ConsoleApp", sheet: Sheet, note: str = "") -> None:
    """Asks for format and file, and writes it."""
    name = f"trigate-{sheet.name}-{format.day(console.now())}"
    fields = [
        Field("form", "Format", "choice", "csv", choices=(("csv", "CSV"), ("json", "JSON"))),
        Field("path", "File", value=str(Path.home() / name), required=True,
              help="Readable by you alone. The format is added where the name has none."),
    ]  # fmt: skip

    async def save(values: Values) -> None:
        path = await in_thread(console, lambda: _write(values["path"], values["form"], sheet))
        console.say(f"{format.number(len(sheet.rows))} rows written to {path}.")

    console.push_screen(Form("Export what is shown", fields, save, verb="Export", note=note))


def _write(name: str, form: str, sheet: Sheet) -> Path:
    """The file written. A name that ends in a format wins over the one chosen. Raises UsageError."""
    path = Path(name).expanduser()
    if path.suffix not in (".csv", ".json"):
        path = path.with_name(f"{path.name}.{form}")
    records = [dict(zip(sheet.headings, row, strict=True)) for row in sheet.rows]
    write_private(path, as_csv(records) if path.suffix == ".csv" else as_json({"what": sheet.name}, records))
    return path
