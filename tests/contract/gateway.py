"""A gateway process on a loopback port, and what a test may ask its books."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from gateway.clock import now_ms
from gateway.store.database import Database, open_database
from gateway.store.queries import ledger, lookups, views
from gateway.store.queries.calls import CallFilter, Story, find_call, list_calls

T = TypeVar("T")

_READY_LIMIT_S = 20
_STOP_LIMIT_S = 20
_SOON_S = 5
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
_TROUBLE = re.compile(r"Traceback|request_failed|call_failed|page_failed|read_failed")
_SERVE = (sys.executable, "-m", "gateway", "serve")


class Gateway:
    """`with Gateway(data_dir):` serves that folder. `url` has no path; `http` is a client that sends no credential."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self._data_dir = data_dir
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TRIGATE_")},
            **{f"TRIGATE_{name.upper()}": value for name, value in settings.items()},
        }
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._clients = 0
        self.url = ""

    def __enter__(self) -> Self:
        command = [*_SERVE, "--data-dir", str(self._data_dir), "--bind", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        try:
            self._ready.wait(_READY_LIMIT_S)
            if not self.url:
                raise RuntimeError(f"The gateway did not say where it listens:\n{self.output}")
        except BaseException:
            self._stop()
            raise
        self.http = httpx.Client(base_url=self.url, timeout=20, verify=False)
        return self

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.append(line)
                if not self.url and (found := _ADDRESS.search(line)):
                    self.url = found[0]
                    self._ready.set()
        self._ready.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        status = self._stop()
        assert status == 0, f"the gateway ended with {status}:\n{self.output}"
        assert not self.trouble, self.trouble

    def _stop(self) -> int:
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        return self._process.returncode

    def somewhere(self) -> dict[str, str]:
        """Headers of a proxy in front, naming a client's address that no other request has had."""
        self._clients += 1
        return {"x-forwarded-for": f"198.51.{self._clients // 250}.{self._clients % 250 + 1}"}

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def output(self) -> str:
        """Everything the process has printed."""
        return "".join(self._lines)

    @property
    def trouble(self) -> list[str]:
        """Lines in which the gateway speaks of a mistake of its own."""
        return [line for line in list(self._lines) if _TROUBLE.search(line)]

    def post(self, path: str, key: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        """A call as a plain HTTP client makes it."""
        return self.http.post(path, json=body, headers={"x-api-key": key, **headers})

    def get(self, path: str, key: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers={"x-api-key": key, **headers})

    def ask(self, question: Callable[[Database], T]) -> T:
        """A read of the database, as the console or the command line would make it."""
        database = open_database(self._data_dir / "gateway.db", read_only=True)
        try:
            return question(database)
        finally:
            database.close()

    def change(self, action: Callable[[Database], T]) -> T:
        """An operator's command, from this process."""
        database = open_database(self._data_dir / "gateway.db")
        try:
            return action(database)
        finally:
            database.close()

    def run_second(self) -> subprocess.CompletedProcess[str]:
        """Starts another gateway on the same folder, which is expected to give up."""
        command = [*_SERVE, "--data-dir", str(self._data_dir), "--bind", "127.0.0.1:0"]
        return subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=_READY_LIMIT_S, check=False
        )

    def story(self, call_id: str) -> Story:
        """A call and its attempts once it is settled, which for errors is shortly after the answer."""
        found: list[Story] = []

        def is_settled() -> bool:
            story = self.ask(lambda database: find_call(database, call_id))
            if story is None or story.call.state != "settled":
                return False
            found.append(story)
            return True

        self.wait_for(is_settled, f"{call_id} was not settled")
        return found[0]

    def last_call(self, customer: str) -> Story:
        """The newest settled call of a customer."""
        customer_id = self.customer_id(customer)
        calls = self.ask(lambda database: list_calls(database, CallFilter(customer_id=customer_id), limit=1))
        return self.story(calls[0].id)

    def customer_id(self, customer: str) -> int:
        found = self.ask(lambda database: views.customer_views(database, now_ms()))
        return next(view.customer.id for view in found if view.customer.name == customer)

    def balance(self, customer: str) -> int:
        """A customer's balance in micro-dollars, as committed."""
        customer_id = self.customer_id(customer)
        balance = self.ask(lambda database: lookups.balance_of(database, customer_id))
        assert balance is not None
        return balance

    def charges(self, call_id: str) -> list[int]:
        """The amounts of the ledger's entries of a call."""
        entries = self.ask(lambda database: ledger.list_entries(database, kind="charge", limit=100))
        return [entry.amount_micro for entry in entries if entry.call_id == call_id]

    def wait_for(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Asks until the condition holds; what the gateway does after an answer takes it a few milliseconds."""
        deadline = time.monotonic() + _SOON_S
        while not condition():
            assert time.monotonic() < deadline, otherwise

    def verify(self) -> list[ledger.Problem]:
        """What in the books does not add up."""
        return self.ask(lambda database: ledger.verify(database).problems)
