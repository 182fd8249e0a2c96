"""Whatever an operator or a caller can meet is documented, and nothing is documented that is not there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from gateway import app, vault
from gateway.cli.root import trigate
from gateway.edge.pages import OPERATIONS, PLAIN
from gateway.edge.pages.openapi import DOCUMENT
from gateway.edge.routing import Operation, route
from gateway.observe.metrics import METRICS
from gateway.settings import FIELDS, Settings
from tests.docs.generated import error_classes, tables
from tests.docs.pages import PAGES, ROOT, all_text, blocks, inline_code, prose, with_tables

COMPATIBILITY = ROOT / "docs" / "compatibility.md"
PAGE_IDS = [str(page.relative_to(ROOT)) for page in PAGES]
every_page = pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)

_PATH = re.compile(r"(?:gateway|tests|docs|data)/(?:[\w./*-]*\.(?:py|md|toml|sql)|[\w/]*(?![\w*]))")
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")
_ROW = re.compile(r"^\| (?!---|row )(?P<row>.*) \|$", re.MULTILINE)


# What is there is documented


def test_every_setting() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert [field.name for field in FIELDS if f"`{field.name}`" not in text] == []


def test_every_metric() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    assert [metric.name for metric in METRICS if f"`{metric.name}`" not in text] == []


def test_every_error_code() -> None:
    text = (ROOT / "docs" / "http.md").read_text("utf-8")
    assert [error.code for error in error_classes() if f"| `{error.code}` |" not in text] == []


def test_every_operation_has_a_route_in_the_documentation() -> None:
    described = {
        route(method.upper(), re.sub(r"\{\w+\}", "some-id", path), {}).operation
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
    }
    assert set(Operation) - described == {Operation.PREFLIGHT, Operation.RESPONSES_SOCKET}
    assert set(OPERATIONS) <= described


def test_every_page_without_a_key_has_a_route_in_the_documentation() -> None:
    assert set(PLAIN) - set(DOCUMENT["paths"]) == set()


def test_every_command() -> None:
    text = all_text()
    assert [command for command in _leaves(trigate, "trigate") if command not in text] == []


# What is documented is there


@every_page
def test_generated_tables_are_those_of_the_code(page: Path) -> None:
    """`python -m tests.docs.generated` writes them."""
    text = page.read_text("utf-8")
    assert with_tables(text, tables()) == text


def test_every_table_has_its_place() -> None:
    text = all_text()
    assert [name for name in tables() if f"<!-- generated: {name} -->" not in text] == []


@every_page
def test_commands_and_their_options_exist(page: Path) -> None:
    assert [problem for command in _commands(page) if (problem := _problem_of(command))] == []


@every_page
def test_inline_code_stays_on_its_line(page: Path) -> None:
    """Broken over two lines it is neither read well nor checked here."""
    assert [line for line in prose(page).splitlines() if line.count("`") % 2] == []


@every_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {code.split()[1] for code in _code(page) if re.match(r"make [a-z-]+$", code)}
    assert named - targets == set()


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    named = {path for code in _code(page) for path in _PATH.findall(code) if "NNNN" not in code}
    assert [path for path in sorted(named) if not any(ROOT.glob(path.rstrip("/")))] == []


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in _LINK.findall(prose(page)) if not _leads_somewhere(page, link)] == []


@every_page
def test_settings_in_the_environment_exist(page: Path) -> None:
    known = {field.environment for field in FIELDS} | {"TRIGATE_DATA_DIR", "TRIGATE_CONFIG", vault.ENVIRONMENT_NAME}
    assert set(re.findall(r"\bTRIGATE_[A-Z_]*[A-Z]\b", page.read_text("utf-8"))) - known == set()


@every_page
def test_metrics_that_are_named_exist(page: Path) -> None:
    known = {metric.name for metric in METRICS} | {f"{metric.name}_bucket" for metric in METRICS}
    named = re.findall(r"\btrigate_[a-z_]+", page.read_text("utf-8"))
    assert set(named) - known == set()


def test_every_row_of_the_compatibility_tables_is_served_and_shown_or_says_what_it_waits_for() -> None:
    rows = [row["row"].split(" | ") for row in _ROW.finditer(COMPATIBILITY.read_text("utf-8"))]
    unserved = [row[0] for row in rows if "*Not yet*" not in row[1] and not ("`" in row[2] and "`tests/" in row[3])]
    assert len(rows) > 90
    assert unserved == []


def test_the_readme_names_defaults_as_they_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    settings = msgspec.structs.asdict(Settings(data_dir=ROOT))
    shown = {name: _shown(settings[name]) for name, _ in rows}
    assert dict(rows) == shown


def test_the_unit_gives_the_gateway_time_to_stop() -> None:
    unit = _unit()
    most_s = Settings(data_dir=ROOT).drain_s + app.LAST_WORDS_S + app.CLOSE_LEDGER_S
    assert int(unit["TimeoutStopSec"]) > most_s


def test_the_unit_loads_the_credential_that_the_vault_looks_for() -> None:
    assert _unit()["LoadCredential"].partition(":")[0] == vault.CREDENTIAL_NAME


# Reading the pages


def _unit() -> dict[str, str]:
    text = next(block.text for block in blocks(ROOT / "docs" / "operations.md") if block.language == "ini")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return str(value)


def _leaves(command: click.Command, name: str) -> Iterator[str]:
    """Every command that does something, in full: `trigate keys create`."""
    if not isinstance(command, click.Group):
        yield name
        return
    context = click.Context(command)
    for each in command.list_commands(context):
        found = command.get_command(context, each)
        assert found is not None
        yield from _leaves(found, f"{name} {each}")


def _code(page: Path) -> list[str]:
    """Inline code, and the lines of shell blocks with continued ones joined."""
    lines = [
        line.strip()
        for block in blocks(page)
        if block.language in ("sh", "text", "")
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    return [*inline_code(page), *lines]


def _commands(page: Path) -> list[str]:
    """Every `trigate …` in a page, from its name to the end of the command."""
    found = []
    for code in _code(page):
        for match in re.finditer(r"(?:^|[ /(])trigate (?=[a-z]|--)([^`;&>)#]*)", code):
            found.append(match[1].strip())
    return found


def _problem_of(text: str) -> str | None:
    """What is wrong with a command line, its placeholders and brackets aside."""
    words = shlex.split(re.sub(r"[\[\]…|]|\.\.\.", " ", text).replace("'", "").replace('"', ""))
    command: click.Command = trigate
    options = {"--help", "--version", "--data-dir", "--config", "--json"}
    for word in words:
        if word.startswith("--"):
            if word.partition("=")[0] not in options:
                return f"`trigate {text}`: no option {word}"
        elif isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return None if word.isupper() else f"`trigate {text}`: no command {word}"
            command = found
            options |= {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return None


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    if not anchor:
        return True
    headings = re.findall(r"^#+ (.*)$", prose(target), re.MULTILINE)
    return anchor in map(_slug, headings)


def _slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
