"""`trigate backup FILE`: a copy of the database, while the gateway runs or not."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from gateway.cli import words
from gateway.cli.command import Command, Session, pass_session
from gateway.cli.output import show_done
from gateway.clock import now_ms
from gateway.store.backup import back_up

# About a second's work: 80 MB.
_SHOWN_FROM_PAGES = 20_000


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def backup(session: Session, file: Path) -> None:
    """Copy the database into FILE, as it is at this instant; the gateway goes on meanwhile.

    Only its owner can read the copy, and no file is overwritten. The master key is not in it: keep that elsewhere.
    """
    started_at = now_ms()
    with _Progress() as progress:
        copied = back_up(session.database_path, file.absolute(), progress.show)
    facts = {"path": str(copied.path), "size_bytes": copied.size_bytes, "duration_ms": now_ms() - started_at}
    size = words.size(copied.size_bytes)
    show_done(session, facts, f"Backed up to {copied.path} ({size}), and examined. The master key is not in it.")


class _Progress(ExitStack):
    """A bar, if there is enough to do and somebody who looks."""

    _bar: Any = None

    def show(self, done: int, total: int) -> None:
        if total < _SHOWN_FROM_PAGES or not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = self.enter_context(click.progressbar(length=total, label="Copying", file=sys.stderr))
        self._bar.update(done - self._bar.pos)
