"""The commands of the documentation do what their readers are told they do."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.settings import load_settings
from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.docs.session import Shell, missing_tools

EVERY = [block for page in PAGES for block in blocks(page)]
STORY = [block for block in EVERY if block.word in ("", "serve") and block.language in ("sh", "python")]
WORDS = {"sh": {"", "apart", "serve", "check"}, "python": {""}}
LOCAL_SERVERS = (8080, 11434, 8001)
HURRY = "--option ttft_ms=0 --option tokens_per_second=100000"
MODELS = b'{"object": "list", "data": [{"id": "qwen3:8b", "object": "model"}]}'


def chosen(language: str, word: str | None = None) -> pytest.MarkDecorator:
    """Parametrizes a test with the blocks of a language."""
    found = [block for block in EVERY if block.language == language and word in (None, block.word)]
    return pytest.mark.parametrize("block", found, ids=[block.name for block in found])


class ModelList(BaseHTTPRequestHandler):
    """A local model server, as far as `--discover` looks at it."""

    def do_GET(self) -> None:
        body = (
            b'{"object": "list", "data": [{"id": "qwen3:8b", "object": "model"}]}' if self.path == "/v1/models" else b""
        )
        self.send_response(200 if body else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def local_server() -> Iterator[int]:
    """The port of a server that lists one model."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), ModelList)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def wait_until_known(shell: Shell, model: str = "claude-sonnet-4-6") -> None:
    """A running gateway takes up a new key or account within a quarter of a second; no reader types faster."""
    headers = {"x-api-key": shell.output_of("printf %s $GATEWAY_KEY")}
    with httpx.Client(base_url=shell.url, trust_env=False, headers=headers) as client:
        while client.get(f"/v1/models/{model}").status_code != 200:
            pass


def test_every_block_says_what_is_done_with_it() -> None:
    assert [block.name for block in EVERY if block.word not in WORDS.get(block.language, {""})] == []


def test_the_readme_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """From the first account to the last receipt, in the order in which it is read, on simulated accounts."""
    lacking = missing_tools("\n".join(block.text for block in STORY))
    if lacking:
        pytest.skip(f"needs {', '.join(lacking)}")
    shell = Shell(tmp_path)
    serve = next(block for block in STORY if block.word == "serve")
    with shell.serving(serve.text.strip()):
        for block in STORY:
            if block.word != "serve":
                output = shell.run(block)
                assert '"error":{' not in output, f"{block.name} was answered:\n{output}"
            if "--kind simulated" in block.text:
                shell.output_of(f"trigate accounts set practice {HURRY}")
            if "keys create" in block.text:
                wait_until_known(shell)
            if "--models pretend-8b" in block.text:
                wait_until_known(shell, model="pretend-8b")
            if '"model": "pretend-8b"' in block.text:
                assert "x-gateway-warnings: dropped:top_k" in output
                assert '"type":"message"' in output
        customer = msgspec.json.decode(shell.output_of("trigate customers show laptop --json"))
        assert 14_000_000 < customer["balance_micro"] < 15_000_000
        calls = msgspec.json.decode(shell.output_of("trigate usage list --json"))
    assert [call["outcome"] for call in calls] == ["completed"] * 9


@chosen("sh", "apart")
def test_a_block_that_stands_alone_runs(block: Block, tmp_path: Path, local_server: int) -> None:
    if lacking := missing_tools(block.text):
        pytest.skip(f"needs {', '.join(lacking)}")
    credentials = {"ANTHROPIC_API_KEY": "sk-ant-made-up", "OPENAI_API_KEY": "sk-made-up"}
    Shell(tmp_path, ports=dict.fromkeys(LOCAL_SERVERS, local_server), environment=credentials).run(block)


@chosen("sh", "check")
def test_a_block_that_needs_more_is_sound_shell(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, done.stderr


@chosen("js")
def test_a_javascript_block_parses(block: Block, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("needs node")
    program = tmp_path / "block.mjs"
    program.write_text(block.text, "utf-8")
    done = subprocess.run(["node", "--check", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


@chosen("json")
def test_a_json_block_parses(block: Block) -> None:
    msgspec.json.decode(block.text)


@chosen("toml")
def test_a_toml_block_parses_and_the_gateways_own_are_accepted(block: Block, tmp_path: Path) -> None:
    msgspec.toml.decode(block.text)
    if block.page.parent == ROOT / "docs":
        (tmp_path / "config.toml").write_text(block.text, "utf-8")
        load_settings({}, {}, None, tmp_path)
