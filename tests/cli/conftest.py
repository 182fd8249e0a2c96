"""`trigate`, typed in a data folder of its own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from gateway.cli import output
from gateway.cli.root import trigate as program
from gateway.settings import DATABASE
from gateway.store.jobs import Job
from gateway.store.migrate import migrate
from gateway.store.transact import Transactor
from tests.store.making import BOOT, GATEWAY, NOW


class Said:
    """What a command answered."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


Trigate = Callable[..., Said]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def trigate(data_dir: Path) -> Trigate:
    """Run a command in this process. Standard input is no terminal, standard output neither."""

    def run(*arguments: str, input: str = "", env: dict[str, str] | None = None) -> Said:
        cleared = {name: None for name in os.environ if name.startswith("TRIGATE_") or name == "NO_COLOR"}
        environment: dict[str, str | None] = {**cleared, "TRIGATE_DATA_DIR": str(data_dir), **(env or {})}
        result = CliRunner().invoke(program, list(arguments), input=input, env=environment, prog_name="trigate")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody looks at standard output and sits at the keyboard."""
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setattr(output, "can_ask", lambda: True)


@pytest.fixture
def gateway_writes(data_dir: Path) -> Iterator[Callable[..., None]]:
    """Write as a running gateway does."""
    migrate(data_dir / DATABASE)
    clock = [NOW]
    transactor = Transactor(GATEWAY, BOOT, lambda: clock[0])
    transactor.connect(data_dir / DATABASE)

    def write(*jobs: Job, at: int = NOW) -> None:
        clock[0] = at
        failure = transactor.transact(jobs)
        assert failure is None, failure

    yield write
    transactor.close()
