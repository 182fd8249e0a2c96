"""`trigate` as a process: entry point, start-up, terminal, pipes, signals."""

import os
import pty
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "gateway"]


@pytest.fixture
def environment(data_dir: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TRIGATE_") and name != "NO_COLOR"}
    return {**kept, "TRIGATE_DATA_DIR": str(data_dir), "TERM": "xterm"}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=60)


def on_terminal(environment: dict[str, str], *arguments: str) -> str:
    """Standard output of a command that runs on a terminal."""
    master, slave = pty.openpty()
    with subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=slave, stderr=subprocess.DEVNULL) as process:
        process.wait(60)
        os.close(slave)
        text = b""
        while True:
            try:
                read = os.read(master, 65_536)
            except OSError:
                break
            if not read:
                break
            text += read
    os.close(master)
    return text.decode()


def test_a_secret_is_alone_on_standard_output(environment: dict[str, str]) -> None:
    made = run(environment, "keys", "create", "alice", "--balance", "5")
    assert re.fullmatch(r"cc_user_[0-9A-Za-z]{55}\n", made.stdout)
    assert "cannot be shown again" in made.stderr


def test_a_terminal_sees_headings_and_colours(environment: dict[str, str]) -> None:
    run(environment, "keys", "create", "alice")
    assert "\x1b[1mNAME" in on_terminal(environment, "keys", "list")


def test_no_color_is_respected(environment: dict[str, str]) -> None:
    run(environment, "keys", "create", "alice")
    seen = on_terminal({**environment, "NO_COLOR": "1"}, "keys", "list")
    assert "NAME" in seen
    assert "\x1b" not in seen


def test_a_reader_that_leaves_early_is_no_traceback(environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*COMMAND, "models", "list", "--json"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    process.wait(60)
    assert b"Traceback" not in said


def test_help_loads_nothing_heavy(environment: dict[str, str]) -> None:
    """It answers in 60 ms; the gateway itself takes 900 ms to import."""
    assert loaded(environment, "--help") == []


def test_a_listing_loads_no_server_and_no_client(environment: dict[str, str]) -> None:
    """`keys list` answers in 150 ms."""
    run(environment, "keys", "create", "alice")
    assert loaded(environment, "keys", "list") == ["apsw", "peewee"]


def loaded(environment: dict[str, str], *arguments: str) -> list[str]:
    """Which of the heavy libraries a command imports."""
    program = (
        "import sys\nfrom gateway.cli.root import trigate\n"
        "try: trigate.main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "names = 'apsw cryptography httpx hypercorn peewee quart structlog trio'.split()\n"
        "print(*[name for name in names if name in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    return ran.stderr.split("\n")[-2].split()


@pytest.fixture
def notices(tmp_path: Path, environment: dict[str, str]) -> socket.socket:
    """What systemd would hear."""
    path = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(60)
    environment["NOTIFY_SOCKET"] = path
    return listener


def test_serve_tells_systemd_and_a_second_gateway_is_code_6(
    environment: dict[str, str], notices: socket.socket, tmp_path: Path
) -> None:
    serving = subprocess.Popen(
        [*COMMAND, "serve", "--bind", f"unix:{tmp_path}/s", "--log-format", "json"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert notices.recv(100) == b"READY=1"
        second = run(environment, "serve", "--bind", f"unix:{tmp_path}/t")
        assert second.returncode == 6
        assert str(serving.pid) in second.stderr
        serving.terminate()
        assert notices.recv(100) == b"STOPPING=1"
        said = serving.communicate(timeout=60)[1]
    finally:
        serving.kill()
        notices.close()
    assert serving.returncode == 0
    assert f"listening on unix:{tmp_path}/s" in said
    assert "trigate accounts add" in said
    assert "trigate keys create" in said


def test_a_port_in_use_is_code_3_and_says_so(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = run(environment, "serve", "--bind", f"127.0.0.1:{taken.getsockname()[1]}")
    assert said.returncode == 3
    assert "in use" in said.stderr
    assert "Traceback" not in said.stderr


def test_status_of_a_gateway_that_runs_is_code_0(environment: dict[str, str], notices: socket.socket) -> None:
    serving = subprocess.Popen([*COMMAND, "serve", "--bind", "127.0.0.1:0"], env=environment, stderr=subprocess.DEVNULL)
    try:
        assert notices.recv(100) == b"READY=1"
        deadline = time.monotonic() + 30
        while (said := run(environment, "status")).returncode and time.monotonic() < deadline:
            continue  # The first heartbeat is written a moment after.
    finally:
        serving.terminate()
        serving.wait(60)
        notices.close()
    assert said.returncode == 0
    assert "gateway\trunning, ready" in said.stdout
