"""`trigate accounts`. The upstream is a simulated one, or a small server on loopback."""

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from shlex import split

import pytest

import gateway
from gateway.cli.account_options import option_names
from gateway.clock import now_ms
from gateway.settings import DATABASE
from gateway.store.database import open_database
from gateway.store.jobs import AccountState, RememberState
from gateway.store.operators import accounts
from gateway.store.operators.accounts import KINDS
from gateway.vault import load_vault
from tests.cli.conftest import Trigate

SIMULATED = ("accounts", "add", "sim", "--kind", "simulated", "--option", "ttft_ms=0")


class Server(BaseHTTPRequestHandler):
    """An OpenAI-compatible server with one model, that wants the key `right`."""

    def do_GET(self) -> None:
        self._answer(b'{"data": [{"id": "llama-4"}]}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        answer = (
            b'{"id":"c","object":"chat.completion","created":1,"model":"llama-4","choices":[{"index":0,"message":'
            b'{"role":"assistant","content":"ok"},"finish_reason":"stop"}],'
            b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
        )
        self._answer(answer)

    def _answer(self, body: bytes) -> None:
        known = self.headers.get("authorization") == "Bearer right"
        body = body if known else b'{"error":{"message":"Incorrect API key provided.","code":"invalid_api_key"}}'
        self.send_response(200 if known else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def add_local(trigate: Trigate, url: str, *options: str, secret: str = "right") -> None:
    said = trigate(
        *("accounts", "add", "local", "--kind", "openai", "--base-url", url, "--secret-stdin", *options), input=secret
    )
    assert said.code == 0, said.err


def stored_secret(data_dir: Path, name: str) -> str:
    database = open_database(data_dir / DATABASE, read_only=True)
    try:
        return load_vault(data_dir, {}).open(accounts.find(database, name).sealed_secret)
    finally:
        database.close()


def test_a_secret_from_standard_input_is_sealed_and_never_shown(trigate: Trigate, data_dir: Path) -> None:
    said = trigate("accounts", "add", "main", "--kind", "anthropic", "--secret-stdin", "--json", input="sk-ant-1\n")
    assert said.json["has_secret"] is True
    assert "sk-ant-1" not in said.out + trigate("accounts", "show", "main", "--json").out
    assert stored_secret(data_dir, "main") == "sk-ant-1"


def test_a_secret_from_the_environment(trigate: Trigate, data_dir: Path) -> None:
    trigate("accounts", "add", "main", "--kind", "anthropic", "--secret-env", "MINE", env={"MINE": "sk-ant-2"})
    assert stored_secret(data_dir, "main") == "sk-ant-2"


@pytest.mark.parametrize(
    "options",
    [
        ("--secret", "sk-ant-3"),
        ("--secret=sk-ant-3",),
        ("--secret-env", "sk-ant-3"),
        ("--header", "x-api-key=sk-ant-3"),
        ("--proxy", "http://user:sk-ant-3@proxy:3128"),
    ],
    ids=" ".join,
)
def test_a_credential_on_the_command_line_is_refused_and_not_repeated(
    trigate: Trigate, options: tuple[str, ...]
) -> None:
    said = trigate("accounts", "add", "main", "--kind", "anthropic", *options)
    assert said.code == 2
    assert "sk-ant-3" not in said.out + said.err
    assert trigate("accounts", "list").out == ""


def test_a_header_with_a_credential_comes_from_the_environment(trigate: Trigate) -> None:
    trigate(*SIMULATED, "--header-env", "X-Api-Key=MINE", env={"MINE": "secret value"})
    said = trigate("accounts", "show", "sim", "--json")
    assert said.json["header_names"] == ["x-api-key"]
    assert "secret value" not in said.out


def test_a_vendor_account_without_a_secret_is_refused_where_nobody_can_be_asked(trigate: Trigate) -> None:
    said = trigate("accounts", "add", "main", "--kind", "openai")
    assert said.code == 2
    assert "--secret-stdin" in said.err


def test_every_option_of_an_account(trigate: Trigate) -> None:
    said = trigate(
        *split("accounts add sim --kind simulated --models claude-* --models gpt-* --model-map claude-opus-5-5=opus"),
        *split("--dialects messages,chat --priority 5 --weight 2 --max-concurrency 8 --free --on-cancel stops"),
        *split("--option ttft_ms=20 --option jitter=0.5 --proxy socks5://proxy:1080 --header x-team=a --json"),
    ).json
    assert said["models"] == ["claude-*", "gpt-*"]
    assert said["model_map"] == {"claude-opus-5-5": "opus"}
    assert said["dialects"] == ["messages", "chat"]
    assert (said["priority"], said["weight"], said["max_concurrency"]) == (5, 2, 8)
    assert (said["free"], said["on_cancel"], said["has_proxy"], said["header_names"]) == (
        True,
        "stops",
        True,
        ["x-team"],
    )
    assert said["options"] == {"ttft_ms": 20, "jitter": 0.5}


def test_what_an_account_costs_the_operator(trigate: Trigate) -> None:
    trigate(*SIMULATED, "--cost", "claude-*=1.50/7.50", "--cost", "gpt-*=1/2/0.1/1.25")
    costs = trigate("accounts", "show", "sim", "--json").json["cost_prices"]
    assert costs["claude-*"] | {"input": 1_500_000, "output": 7_500_000, "cache_read": None} == costs["claude-*"]
    assert (costs["gpt-*"]["cache_read"], costs["gpt-*"]["cache_write_1h"]) == (100_000, 1_250_000)
    shown = trigate("accounts", "show", "sim").out
    assert "$1.50 in, $7.50 out per million tokens, claude-*" in shown


def test_costs_are_laid_over_those_that_are_there_and_taken_back(trigate: Trigate) -> None:
    trigate(*SIMULATED, "--cost", "claude-*=1/2", "--cost", "gpt-*=1/2")
    changed = trigate("accounts", "set", "sim", "--cost", "claude-*=3/4", "--cost", "gpt-*=", "--json")
    assert list(changed.json["cost_prices"]) == ["claude-*"]
    assert changed.json["cost_prices"]["claude-*"]["input"] == 3_000_000


@pytest.mark.parametrize("cost", ["claude-*=1", "claude-*=1/2/3/4/5", "claude-*=free/2", "claude-*=-1/2", "a b=1/2"])
def test_a_cost_that_cannot_be_read_is_refused(trigate: Trigate, cost: str) -> None:
    assert trigate(*SIMULATED, "--cost", cost).code == 2


@pytest.mark.parametrize("pair", ["claude-*=a/*/*", "claude-*-*=a", "claude-?=a", "claude-opus-5-5=anthropic/*"])
def test_a_model_map_that_cannot_be_read_is_refused(trigate: Trigate, pair: str) -> None:
    said = trigate(*SIMULATED, "--model-map", pair)
    assert said.code == 2
    assert "claude-*=anthropic/claude-*" in said.err


def test_of_a_proxy_the_password_alone_is_hidden(trigate: Trigate) -> None:
    trigate(*SIMULATED, "--proxy-env", "MINE", env={"MINE": "http://user:s3cret@proxy:3128"})
    for options in ((), ("--json",)):
        shown = trigate("accounts", "show", "sim", *options).out
        assert "http://***@proxy:3128" in shown
        assert "s3cret" not in shown
        assert "user" not in shown


def test_set_lays_pairs_over_those_that_are_there(trigate: Trigate) -> None:
    trigate(*SIMULATED, "--option", "jitter=0.5", "--header", "x-a=1")
    changed = trigate(
        "accounts", "set", "sim", "--option", "jitter=", "--option", "seed=7", "--header", "x-b=2", "--json"
    )
    assert changed.json["options"] == {"ttft_ms": 0, "seed": 7}
    assert changed.json["header_names"] == ["x-a", "x-b"]


def test_discover_reads_the_servers_own_list(trigate: Trigate, url: str) -> None:
    add_local(trigate, url, "--discover", "--free")
    assert trigate("accounts", "show", "local", "--json").json["discovered"] == ["llama-4"]


def test_an_account_whose_list_cannot_be_read_is_not_added(trigate: Trigate, url: str) -> None:
    said = trigate(
        *("accounts", "add", "local", "--kind", "openai", "--base-url", url, "--discover", "--secret-stdin"),
        input="wrong",
    )
    assert said.code == 1
    assert "Incorrect API key provided." in said.err
    assert trigate("accounts", "list").out == ""


def test_models_without_a_price_are_named(trigate: Trigate, url: str) -> None:
    said = trigate(
        *("accounts", "add", "local", "--kind", "openai", "--base-url", url, "--discover", "--secret-stdin"),
        input="right",
    )
    assert "llama-4" in said.err
    assert "trigate accounts set local --free" in said.err


def test_sync_reads_the_list_anew(trigate: Trigate, url: str) -> None:
    add_local(trigate, url)
    assert trigate("accounts", "sync", "local", "--json").json["discovered"] == ["llama-4"]


def test_test_asks_for_one_short_answer(trigate: Trigate, url: str) -> None:
    add_local(trigate, url, "--discover")
    probe = trigate("accounts", "test", "local", "--json").json
    assert (probe["ok"], probe["dialect"], probe["model"], probe["status"]) == (True, "chat", "llama-4", 200)


def test_test_says_what_the_upstream_said_and_what_to_do(trigate: Trigate, url: str) -> None:
    add_local(trigate, url, "--models", "llama-4", secret="wrong")
    said = trigate("accounts", "test", "local")
    assert said.code == 1
    assert "Incorrect API key provided." in said.out
    assert "trigate accounts rotate local" in said.out


def test_test_of_a_server_that_is_not_there(trigate: Trigate) -> None:
    add_local(trigate, "http://127.0.0.1:9/v1", "--models", "llama-4")
    probe = trigate("accounts", "test", "local", "--json")
    assert probe.code == 1
    assert (probe.json["ok"], probe.json["status"]) == (False, 0)


@pytest.mark.parametrize("dialect", ["messages", "chat", "responses"])
def test_test_speaks_the_dialect_asked_for(trigate: Trigate, dialect: str) -> None:
    trigate(*SIMULATED, "--option", "tokens_per_second=100000")
    probe = trigate("accounts", "test", "sim", "--dialect", dialect, "--model", "claude-haiku-4-5", "--json").json
    assert (probe["ok"], probe["dialect"], probe["model"]) == (True, dialect, "claude-haiku-4-5")


def test_test_of_an_account_that_names_no_model_says_what_to_do(trigate: Trigate, url: str) -> None:
    add_local(trigate, url)
    said = trigate("accounts", "test", "local")
    assert said.code == 2
    assert "trigate accounts sync local" in said.err


def test_rotate_replaces_the_secret(trigate: Trigate, data_dir: Path) -> None:
    trigate("accounts", "add", "main", "--kind", "anthropic", "--secret-stdin", input="sk-ant-1")
    assert trigate("accounts", "rotate", "main", "--secret-stdin", input="sk-ant-2").code == 0
    assert stored_secret(data_dir, "main") == "sk-ant-2"


@pytest.mark.parametrize(
    ("verb", "field", "value"),
    [
        ("disable", "enabled", False),
        ("enable", "enabled", True),
        ("drain", "draining", True),
        ("undrain", "draining", False),
    ],
)
def test_what_an_account_does_can_be_switched(trigate: Trigate, verb: str, field: str, value: bool) -> None:
    trigate(*SIMULATED)
    assert trigate("accounts", verb, "sim", "--json").json[field] is value


def test_reset_ends_a_cool_down(trigate: Trigate, gateway_writes: Callable[..., None]) -> None:
    trigate(*SIMULATED)
    at = now_ms()
    gateway_writes(RememberState([AccountState(1, "", at + 900_000, "quota", 1, True, at - 1)], [], []))
    before = trigate("accounts", "list").rows[0][4]
    assert (before, trigate("accounts", "reset", "sim", "--json").json["state"]) == ("out of quota", "ready")


def test_a_dry_run_removes_nothing(trigate: Trigate) -> None:
    trigate(*SIMULATED)
    said = trigate("accounts", "remove", "sim", "--dry-run")
    assert said.code == 0
    assert "would be deleted" in said.err
    assert [row[0] for row in trigate("accounts", "list").rows] == ["sim"]


def test_remove_takes_the_account_away(trigate: Trigate) -> None:
    trigate(*SIMULATED)
    trigate("accounts", "remove", "sim", "--yes")
    assert trigate("accounts", "list").out == ""


def test_list_says_the_state_in_a_word(trigate: Trigate) -> None:
    trigate(*SIMULATED)
    trigate("accounts", "disable", "sim")
    assert trigate("accounts", "list").rows == [
        ["sim", "simulated", "0", "0", "disabled", "trigate accounts enable sim"]
    ]


@pytest.mark.parametrize(
    ("kind", "option", "said"),
    [
        (
            "simulated",
            "error_rat=0.5",
            "accounts of kind simulated have no option 'error_rat'. Did you mean error_rate?",
        ),
        ("openai", "ttft_ms=5", "accounts of kind openai have no option 'ttft_ms'. docs/operations.md and"),
        ("simulated", "error_rate=5", "error_rate must be between 0 and 1. docs/operations.md lists the options"),
    ],
)
def test_an_option_that_would_be_passed_over_is_refused(trigate: Trigate, kind: str, option: str, said: str) -> None:
    added = trigate(
        *("accounts", "add", "new", "--kind", kind, "--base-url", "http://127.0.0.1:9", "--option", option),
    )
    assert added.code == 2
    assert f"trigate: --option: {said}" in added.err


def test_an_option_is_refused_on_a_change_as_well(trigate: Trigate) -> None:
    trigate(*SIMULATED)
    assert trigate("accounts", "set", "sim", "--option", "error_rate=5").code == 2
    assert trigate("accounts", "set", "sim", "--option", "flavor=openai").code == 2


def test_an_option_of_no_kind_can_be_taken_out(trigate: Trigate) -> None:
    trigate(*SIMULATED)
    assert trigate("accounts", "set", "sim", "--option", "of_old=").code == 0


def test_every_option_that_an_account_is_asked_for_can_be_given() -> None:
    source = Path(gateway.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in [*source.glob("upstream/**/*.py"), source / "passages.py"]]
    read = {name for text in texts for name in re.findall(r"account\.options\.get\(\"(\w+)\"", text)}
    assert read
    assert read - {name for kind in KINDS for name in option_names(kind)} == set()


def test_models_without_a_price_say_how_they_get_one(trigate: Trigate, url: str) -> None:
    said = trigate(
        *("accounts", "add", "local", "--kind", "openai", "--base-url", url, "--secret-stdin", "--discover"),
        input="right",
    )
    assert "`trigate models add`, then `trigate models price` set one" in said.err
