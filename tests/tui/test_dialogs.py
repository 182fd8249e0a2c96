"""Forms, questions, and the secret that is shown once."""

from pathlib import Path
from typing import Any

import pytest
from rich.segment import Segments

from admin_tui.widgets.dialogs import Confirm
from admin_tui.widgets.form import Field, Form
from admin_tui.widgets.secret import SecretDialog
from gateway.errors import UsageError
from tests.tui.making import SIZES, Console, console_on, matches_snapshot

SECRET = "cc_user_NOTAREALSECRET"
FIELDS = [
    Field("name", "Name", required=True),
    Field("amount", "Amount", "usd"),
    Field("models", "Models", "globs"),
    Field("tier", "Tier", "choice", choices=(("all", "all"), ("codex", "codex"))),
    Field("free", "Free", "bool"),
]


class Saver:
    """What a form saved; refuses the name `taken`."""

    def __init__(self) -> None:
        self.values: dict[str, Any] | None = None

    async def __call__(self, values: dict[str, Any]) -> None:
        if values["name"] == "taken":
            raise UsageError("That name is taken.")
        self.values = values


async def test_a_form_saves_what_was_typed_as_values(data_dir: Path) -> None:
    saver = Saver()
    async with console_on(data_dir) as console:
        console.app.push_screen(Form("New thing", FIELDS, saver))
        await console.settle()
        await console.type("alice")
        await console.press("tab")
        await console.type("1.50")
        await console.press("tab")
        await console.type("gpt-* o3")
        await console.press("ctrl+s")
    assert saver.values == {
        "name": "alice",
        "amount": 1_500_000,
        "models": ("gpt-*", "o3"),
        "tier": "all",
        "free": False,
    }


async def test_a_value_that_makes_no_sense_is_said_under_its_field_and_not_saved(data_dir: Path) -> None:
    saver = Saver()
    async with console_on(data_dir) as console:
        console.app.push_screen(Form("New thing", FIELDS, saver))
        await console.settle()
        await console.type("alice")
        await console.press("tab")
        await console.type("many")
        assert "is not an amount in dollars" in console.text
        await console.press("ctrl+s")
        assert saver.values is None


async def test_a_refusal_of_the_store_leaves_the_form_as_it_was_typed(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        console.app.push_screen(Form("New thing", FIELDS, Saver()))
        await console.settle()
        await console.type("taken")
        await console.press("ctrl+s")
        assert "That name is taken." in console.text
        assert "taken" in console.text


async def ask(console: Console, **options: Any) -> list[bool | None]:
    answers: list[bool | None] = []
    console.app.push_screen(Confirm("Revoke ci-bot?", verb="Revoke", **options), answers.append)
    await console.settle()
    return answers


async def test_a_question_stands_on_cancel(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        answers = await ask(console)
        await console.press("enter")
        assert answers == [False]


async def test_a_name_has_to_be_typed_exactly(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        answers = await ask(console, typed="ci-bot")
        await console.type("ci-bo")
        await console.press("enter")
        assert answers == []
        await console.type("t")
        await console.press("enter")
        assert answers == [True]


async def show_secret(console: Console) -> SecretDialog:
    dialog = SecretDialog("The key alice", SECRET, [("curl", f"curl -H 'x-api-key: {SECRET}'")], file_name="alice.key")
    console.app.push_screen(dialog)
    await console.settle()
    return dialog


async def test_a_secret_that_was_not_copied_is_not_closed_by_a_slip(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        await show_secret(console)
        assert SECRET in console.text
        await console.press("escape")
        assert "Close without having copied or saved" in console.text
        await console.press("enter")
        assert SECRET in console.text


async def test_a_copied_secret_goes_to_the_terminal_and_is_forgotten(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        written: list[str] = []
        assert console.app._driver is not None
        console.app._driver.write = written.append  # type: ignore[method-assign]
        dialog = await show_secret(console)
        await console.press("y")
        assert "Sent to the terminal's clipboard" in console.text
        await console.press("escape")
        assert SECRET not in console.text
        assert SECRET not in repr(vars(dialog))
        assert SECRET not in repr(vars(console.app))
    assert any("]52;c;" in text for text in written)


async def test_a_secret_is_saved_to_a_file_for_its_owner_alone(data_dir: Path) -> None:
    path = data_dir / "alice.key"
    async with console_on(data_dir) as console:
        await show_secret(console)
        await console.press("w")
        await console.press("ctrl+u")
        await console.type(str(path))
        await console.press("enter")
        await console.press("escape")
        assert SECRET not in console.text
    assert path.read_text() == SECRET + "\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("line", "label"), [("export A=1\nexport B=2", "c Copy the exports"), ("curl -sS", "c Copy the first line")]
)
async def test_the_button_says_what_c_copies(data_dir: Path, line: str, label: str) -> None:
    async with console_on(data_dir) as console:
        lines = [("for clients", line), ("Try it", "curl example")]
        console.app.push_screen(SecretDialog("The key alice", SECRET, lines, file_name="alice.key"))
        await console.settle()
        assert label in console.text


async def test_lines_below_the_fold_are_scrolled_to(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        lines = [("for clients", "\n".join(f"export A{number}=1" for number in range(20))), ("Try it", "curl example")]
        console.app.push_screen(SecretDialog("The key alice", SECRET, lines, file_name="alice.key"))
        await console.settle()
        assert "curl example" not in console.text
        await console.press(*"j" * 25)
        assert "curl example" in console.text


async def test_no_picture_is_taken_of_a_secret(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        await show_secret(console)
        await console.press("ctrl+p")
        assert SECRET in console.text
        console.app.action_screenshot("shot.svg", str(data_dir))
        await console.settle()
    assert not (data_dir / "shot.svg").exists()


async def test_a_crash_is_reported_without_the_values_of_variables(data_dir: Path) -> None:
    async with console_on(data_dir) as console:
        try:
            held = SECRET[:]
            raise RuntimeError(str(len(held)))
        except RuntimeError:
            console.app._fatal_error()
        told = "".join(
            segment.text
            for each in console.app._exit_renderables
            if isinstance(each, Segments)
            for segment in each.segments
        )
    assert "RuntimeError" in told
    assert SECRET not in told


@pytest.mark.parametrize("size", SIZES)
async def test_a_form_looks_as_intended(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        console.app.push_screen(Form("New thing", FIELDS, Saver()))
        await console.settle()
        await console.press("ctrl+s")
        assert matches_snapshot(f"form-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_a_question_looks_as_intended(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        facts = [("customer", "ci"), ("used in 24 h", "312 calls, $4.20")]
        await ask(console, facts=facts, warning="Open calls are cut within a second.", typed="ci-bot")
        assert matches_snapshot(f"question-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_a_secret_looks_as_intended(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await show_secret(console)
        assert matches_snapshot(f"secret-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_help_looks_as_intended(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("question_mark")
        assert matches_snapshot(f"help-live-{size}", console.text)


async def test_yes_and_no_are_words(data_dir: Path) -> None:
    saver = Saver()
    async with console_on(data_dir) as console:
        console.app.push_screen(Form("New thing", [Field("name", "Name"), Field("free", "Free", "bool")], saver))
        await console.settle()
        assert "[ ] no" in console.text
        await console.press("tab", "space")
        assert "[x] yes" in console.text
        await console.press("ctrl+s")
    assert saver.values == {"name": "", "free": True}


async def test_a_form_that_is_left_saves_nothing(data_dir: Path) -> None:
    saver = Saver()
    async with console_on(data_dir) as console:
        console.app.push_screen(Form("New thing", FIELDS, saver))
        await console.settle()
        await console.type("alice")
        await console.press("escape")
        assert "New thing" not in console.text
    assert saver.values is None
