"""The reference of every command and option, as docs/command-line.md holds it.

`python -m tests.cli.reference` writes it there anew.
"""

from pathlib import Path

import click

from gateway.cli.root import trigate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"
MARKER = "## Reference\n"
COMMON = {"--data-dir", "--config", "--json", "--help", "--version"}


def commands() -> dict[str, click.Command]:
    """Every command by what is typed, nouns left out: `trigate keys create`."""
    context = click.Context(trigate, info_name="trigate")
    found = {}
    for name in trigate.list_commands(context):
        command = trigate.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found.update({f"trigate {name} {verb}": each for verb, each in command.commands.items()})
        else:
            found[f"trigate {name}"] = command
    return found


def reference() -> str:
    """Markdown: a heading, a sentence and a table of options for each command."""
    parts = [MARKER]
    noun = ""
    for typed, command in commands().items():
        if typed.split()[1] != noun:
            noun = typed.split()[1]
            parts.append(f"### {noun}\n")
        arguments = [parameter.make_metavar(click.Context(command)) for parameter in _arguments(command)]
        parts.append(f"#### `{' '.join([typed, *arguments])}`\n")
        parts.append(_paragraphs(command.help or "") + "\n")
        rows = [_row(option) for option in _options(command)]
        if rows:
            parts.append("| Option | |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _arguments(command: click.Command) -> list[click.Argument]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Argument)]


def _options(command: click.Command) -> list[click.Option]:
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return [option for option in options if not option.hidden and not COMMON & set(option.opts)]


def _row(option: click.Option) -> str:
    value = option.metavar or _value(option.type)
    names = " / ".join([*option.opts, *option.secondary_opts])
    default = f" Default: {_listed(option.default)}." if option.show_default else ""
    typed = names if option.is_flag else f"{names} {value}"
    return f"| `{_escaped(typed)}` | {_escaped(f'{option.help}{default}')} |"


def _listed(default: object) -> str:
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _value(kind: click.ParamType) -> str:
    if isinstance(kind, click.Choice):
        return "|".join(kind.choices)
    return "FILE" if isinstance(kind, click.Path) else "TEXT"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    written = PAGE.read_text(encoding="utf-8").partition(MARKER)[0] if PAGE.exists() else ""
    PAGE.write_text(written + reference(), encoding="utf-8")
