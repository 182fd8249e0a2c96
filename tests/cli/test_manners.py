"""What holds for every command: where words go, how values are refused, what the exit code says."""

from pathlib import Path

import click
import pytest

from gateway import __version__
from gateway.cli.root import COMMANDS
from gateway.cli.root import trigate as program
from tests.cli.conftest import Trigate
from tests.cli.reference import COMMON, MARKER, PAGE, commands, reference


@pytest.mark.parametrize("typed", commands())
def test_every_command_explains_itself(trigate: Trigate, typed: str) -> None:
    said = trigate(*typed.split()[1:], "--help")
    assert (said.code, said.err) == (0, "")
    assert "--data-dir" in said.out


def test_the_list_of_commands_says_what_their_own_help_says() -> None:
    context = click.Context(program)
    described = {name: program.get_command(context, name).get_short_help_str(200) for name in COMMANDS}  # type: ignore[union-attr]
    assert described == COMMANDS


def test_the_page_has_every_command_and_option_as_they_are() -> None:
    """If this fails: python -m tests.cli.reference."""
    page = PAGE.read_text(encoding="utf-8")
    assert MARKER + page.partition(MARKER)[2] == reference()


def test_the_page_explains_the_common_options() -> None:
    prose = PAGE.read_text(encoding="utf-8").partition(MARKER)[0]
    assert [name for name in sorted(COMMON) if name not in prose] == []


def test_the_version(trigate: Trigate) -> None:
    assert trigate("--version").out == f"trigate {__version__}\n"


def test_common_options_stand_before_the_command(trigate: Trigate) -> None:
    assert trigate("--json", "models", "list", "--vendor", "nobody").json == []


def test_common_options_stand_after_the_command(trigate: Trigate) -> None:
    assert trigate("models", "list", "--vendor", "nobody", "--json").json == []


def test_common_options_stand_after_the_noun(trigate: Trigate) -> None:
    assert trigate("models", "--json", "list", "--vendor", "nobody").json == []


def test_the_last_data_folder_said_wins(trigate: Trigate, tmp_path: object) -> None:
    said = trigate("--data-dir", f"{tmp_path}/a", "config", "path", "--data-dir", f"{tmp_path}/b")
    assert said.out == f"{tmp_path}/b/config.toml\n"


def test_a_pipe_gets_tabs_and_no_heading(trigate: Trigate) -> None:
    trigate("customers", "create", "alice", "--balance", "5")
    assert trigate("customers", "list").out == "alice\t$5.00\t$0.00\t$0.00\t$0.00\t0\tactive\n"


@pytest.mark.usefixtures("terminal")
def test_a_terminal_gets_aligned_columns_under_headings(trigate: Trigate) -> None:
    trigate("customers", "create", "alice", "--balance", "1234.5")
    trigate("customers", "create", "b")
    assert trigate("customers", "list").out.splitlines() == [
        "NAME     BALANCE   HELD  TODAY  MONTH  KEYS  STATE",
        "alice  $1,234.50  $0.00  $0.00  $0.00     0  active",
        "b          $0.00  $0.00  $0.00  $0.00     0  active",
    ]


def test_an_empty_list_says_what_to_type_and_writes_no_data(trigate: Trigate) -> None:
    trigate("customers", "create", "alice")
    said = trigate("keys", "list")
    assert (said.code, said.out) == (0, "")
    assert "trigate keys create" in said.err


def test_a_name_that_is_not_there_is_code_5_and_the_nearest_is_named(trigate: Trigate) -> None:
    trigate("customers", "create", "alice")
    said = trigate("customers", "show", "alcie")
    assert (said.code, said.out) == (5, "")
    assert said.err == "trigate: There is no customer 'alcie'. Did you mean 'alice'?\n"


def test_a_value_that_makes_no_sense_is_code_2(trigate: Trigate) -> None:
    said = trigate("customers", "create", "alice", "--balance", "lots")
    assert said.code == 2
    assert "Write it like 12.34" in said.err


def test_an_unknown_setting_is_code_3(trigate: Trigate) -> None:
    said = trigate("config", "validate", env={"TRIGATE_BINDD": "x"})
    assert said.code == 3
    assert "TRIGATE_BIND?" in said.err


def test_no_database_is_code_6_and_says_how_to_make_one(trigate: Trigate) -> None:
    said = trigate("keys", "list")
    assert said.code == 6
    assert "trigate init" in said.err


def test_a_command_that_is_not_there_is_code_2(trigate: Trigate) -> None:
    assert trigate("keyz").code == 2


def test_a_file_that_is_no_database_is_no_traceback(trigate: Trigate, data_dir: object) -> None:
    trigate("customers", "create", "alice")
    with open(f"{data_dir}/gateway.db", "r+b") as file:
        file.write(b"x" * 4096)
    said = trigate("customers", "list")
    assert said.code == 6
    assert "Traceback" not in said.err


IRREVERSIBLE = [
    ("keys", "revoke", "alice"),
    ("accounts", "remove", "sim"),
    ("models", "remove", "claude-opus-5-5"),
]


@pytest.fixture
def furnished(trigate: Trigate) -> None:
    trigate("keys", "create", "alice")
    trigate("accounts", "add", "sim", "--kind", "simulated")
    trigate("models", "price", "claude-opus-5-5", "--input", "1", "--output", "2")


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize("command", IRREVERSIBLE, ids=" ".join)
def test_what_cannot_be_undone_is_refused_where_nobody_can_be_asked(trigate: Trigate, command: tuple[str, ...]) -> None:
    said = trigate(*command, input="y\n")
    assert said.code == 2
    assert "--yes" in said.err


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize("command", IRREVERSIBLE, ids=" ".join)
def test_yes_does_it_without_asking(trigate: Trigate, command: tuple[str, ...]) -> None:
    assert trigate(*command, "--yes").code == 0


@pytest.mark.usefixtures("furnished", "terminal")
@pytest.mark.parametrize("command", IRREVERSIBLE, ids=" ".join)
def test_a_terminal_is_asked_and_no_is_the_default(trigate: Trigate, command: tuple[str, ...]) -> None:
    said = trigate(*command, input="\n")
    assert said.code == 1
    assert "Nothing was changed." in said.err


def test_every_change_names_who_made_it(trigate: Trigate) -> None:
    trigate("customers", "create", "alice", "--balance", "5")
    actor = trigate("ledger", "list", "--json").json[0]["actor"]
    assert actor.startswith("cli:")


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_at_a_question_is_code_130_and_changes_nothing(
    trigate: Trigate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_options: object) -> bool:
        raise KeyboardInterrupt

    trigate("keys", "create", "alice")
    monkeypatch.setattr(click, "confirm", interrupt)
    assert trigate("keys", "revoke", "alice").code == 130
    assert trigate("keys", "show", "alice", "--json").json["state"] == "active"


def test_a_misspelled_command_is_answered_with_the_nearest(trigate: Trigate) -> None:
    said = trigate("acounts", "list")
    assert (said.code, said.err.splitlines()[-1]) == (2, "Error: No such command 'acounts'. Did you mean 'accounts'?")


def test_the_list_of_a_nouns_commands_cuts_no_sentence(trigate: Trigate) -> None:
    listed = {name: trigate(name, "--help").out.partition("Commands:")[2] for name in COMMANDS}
    assert listed["accounts"]
    assert [name for name, text in listed.items() if "..." in text] == []


def test_a_data_folder_that_cannot_be_made_says_what_to_name(trigate: Trigate, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = trigate("--data-dir", f"{tmp_path}/file/data", "keys", "create", "alice")
    assert (said.code, said.out) == (3, "")
    assert said.err == (
        f"trigate: The data folder {tmp_path}/file/data cannot be made: Not a directory. Name one that can be written "
        "with --data-dir or TRIGATE_DATA_DIR.\n"
    )


def test_a_file_that_the_system_refuses_is_one_sentence(trigate: Trigate, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "gateway.db").symlink_to(data_dir / "gone" / "gateway.db")
    said = trigate("keys", "create", "alice")
    assert (said.code, said.err) == (3, f"trigate: {data_dir}/gateway.db: No such file or directory.\n")
