"""`trigate completion SHELL`: commands and options on the tab key."""

import click
from click.shell_completion import get_completion_class

from gateway.cli.command import Command

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TRIGATE_COMPLETE"


@click.command(cls=Command, json=False)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands and options.

    bash: `eval "$(trigate completion bash)"` in ~/.bashrc. zsh: the same in ~/.zshrc, after compinit. fish:
    `trigate completion fish > ~/.config/fish/completions/trigate.fish`.
    """
    made = get_completion_class(shell)
    assert made is not None
    root = context.find_root().command
    script = made(root, {}, "trigate", VARIABLE)
    click.echo(script.source_template % script.source_vars())
