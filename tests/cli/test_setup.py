"""`trigate init`, and what `serve` and `demo` do before they serve."""

import socket
from pathlib import Path

import pytest

from gateway.cli import demo, init, serve
from gateway.cli.command import Session
from gateway.cli.running import notify
from gateway.edge.auth import KEYLESS_CUSTOMER
from gateway.errors import StoreUnavailable, UsageError
from gateway.keys import public_id_of
from gateway.settings import FIELDS
from gateway.store.lock import GatewayLock
from tests.cli.conftest import Trigate

SIMULATED = ("init", "--kind", "simulated", "--account", "sim", "--no-test")


def test_init_sets_up_everything_without_asking(trigate: Trigate, data_dir: Path) -> None:
    made = trigate(*SIMULATED, "--key", "first", "--balance", "5", "--json").json
    assert (made["accounts"], made["keys"], made["data_dir"]) == (["sim"], ["first"], str(data_dir))
    assert public_id_of(made["key"])
    assert oct((data_dir / "master.key").stat().st_mode)[-3:] == "600"


def test_init_again_keeps_what_is_there(trigate: Trigate) -> None:
    trigate(*SIMULATED, "--key", "first")
    again = trigate(*SIMULATED, "--key", "first", "--json")
    assert again.code == 0
    assert (again.json["accounts"], again.json["keys"], again.json["key"]) == (["sim"], ["first"], None)
    assert "trigate keys rotate" in again.err


def test_init_tries_the_account_before_it_stores_it(trigate: Trigate) -> None:
    said = trigate(
        *("init", "--kind", "openai", "--account", "local", "--base-url", "http://127.0.0.1:9", "--models", "x"),
    )
    assert said.code == 1
    assert "Nothing was stored" in said.err
    assert trigate("accounts", "list").out == ""


def test_init_with_neither_account_nor_key_makes_the_database(trigate: Trigate) -> None:
    assert trigate("init", "--no-account", "--no-key").code == 0
    assert trigate("keys", "list").code == 0


def test_init_prints_lines_to_paste(trigate: Trigate) -> None:
    said = trigate(*SIMULATED, "--key", "first", "--unlimited")
    assert f"curl -sS http://127.0.0.1:8000/v1/messages -H 'x-api-key: {said.out.strip()}'" in said.err
    assert "trigate serve" in said.err


def test_init_asks_at_a_terminal(trigate: Trigate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "can_ask", lambda: True)
    answers = ["y", "simulated", "sim", "y", "laptop", "n", "7.50"]
    said = trigate("init", "--no-test", input="\n".join(answers) + "\n")
    assert said.code == 0, said.err
    assert trigate("customers", "show", "laptop", "--json").json["balance_micro"] == 7_500_000
    assert [row[0] for row in trigate("accounts", "list").rows] == ["sim"]


def test_serve_has_an_option_for_every_setting() -> None:
    options = {name for parameter in serve.serve.params for name in parameter.opts}
    assert {f"--{field.name.replace('_', '-')}" for field in FIELDS} <= options


def test_serve_refuses_a_wrong_setting(trigate: Trigate) -> None:
    said = trigate("serve", "--bind", "nowhere")
    assert said.code == 3
    assert "flag --bind" in said.err


def test_serve_refuses_a_database_that_another_gateway_holds(trigate: Trigate, data_dir: Path) -> None:
    data_dir.mkdir()
    with GatewayLock(data_dir):
        assert trigate("serve", "--bind", "127.0.0.1:0").code == 6


@pytest.fixture
def session(data_dir: Path) -> Session:
    session = Session()
    session.given["data_dir"] = data_dir
    return session


def test_keyless_service_makes_its_customer_once(session: Session, trigate: Trigate) -> None:
    serve._prepare(session, keyless=True)
    serve._prepare(session, keyless=True)
    customers = trigate("customers", "list", "--json").json
    assert [(each["name"], each["unlimited"]) for each in customers] == [(KEYLESS_CUSTOMER, True)]


def test_serve_says_what_is_missing(session: Session, trigate: Trigate, capsys: pytest.CaptureFixture[str]) -> None:
    serve._prepare(session, keyless=False)
    missing = capsys.readouterr().err
    trigate(*SIMULATED, "--key", "first")
    serve._prepare(session, keyless=False)
    assert "trigate accounts add" in missing
    assert "trigate keys create" in missing
    assert capsys.readouterr().err == ""


def test_notices_without_systemd_go_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")


def test_a_notice_to_a_socket_that_is_gone_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")


def test_the_demo_keeps_its_books_and_gives_its_key_a_new_secret(session: Session, trigate: Trigate) -> None:
    first, second = demo._prepare(session, fresh=False), demo._prepare(session, fresh=False)
    assert first != second
    assert public_id_of(first) == public_id_of(second)
    assert trigate("customers", "show", "demo", "--json").json["balance_micro"] == demo.FUNDS_MICRO
    assert [row[0] for row in trigate("accounts", "list").rows] == ["swift", "steady"]


def test_a_demo_that_is_nearly_out_of_credit_gets_new_play_money(session: Session, trigate: Trigate) -> None:
    demo._prepare(session, fresh=False)
    trigate("customers", "adjust", "demo", "-4.5", "--note", "spent")
    demo._prepare(session, fresh=False)
    assert trigate("customers", "show", "demo", "--json").json["balance_micro"] == demo.FUNDS_MICRO


def test_a_fresh_demo_begins_anew(session: Session, trigate: Trigate) -> None:
    demo._prepare(session, fresh=False)
    trigate("keys", "create", "mine")
    demo._prepare(session, fresh=True)
    assert [row[0] for row in trigate("keys", "list").rows] == ["demo"]


def test_a_fresh_demo_touches_nothing_it_did_not_make(session: Session, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError):
        demo._prepare(session, fresh=True)
    assert (data_dir / "thesis.txt").read_text() == "mine"


def test_a_fresh_demo_leaves_a_running_one_alone(session: Session) -> None:
    demo._prepare(session, fresh=False)
    with GatewayLock(session.data_dir), pytest.raises(StoreUnavailable):
        demo._prepare(session, fresh=True)


def test_the_demo_takes_the_next_free_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert demo.free_port(port) > port


def test_the_demos_commands_cover_every_dialect_streamed_and_not(capsys: pytest.CaptureFixture[str]) -> None:
    demo._greet("http://127.0.0.1:8000", "SECRET")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("curl ")]
    for path in ("/v1/messages", "/v1/chat/completions", "/v1/responses"):
        assert ['"stream":true' in line for line in lines if f"{path} " in line] == [False, True]


def test_the_folder_above_a_demos_is_its_owners_alone(
    trigate: Trigate, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.running.run_gateway", lambda settings, on_ready: None)
    assert trigate("demo").code == 0
    assert [oct(path.stat().st_mode)[-3:] for path in (data_dir, data_dir / "demo")] == ["700", "700"]


def test_a_demo_on_a_port_in_use_names_its_own_option_and_touches_nothing(trigate: Trigate, data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = trigate("demo", "--port", str(port))
    assert (said.code, said.err) == (
        2,
        f"trigate: Port {port} is in use by another program. Stop it, or name another with --port.\n",
    )
    assert not data_dir.exists()


def test_a_demo_goes_on_when_nobody_reads_its_lines_any_more(trigate: Trigate, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> str:
        raise BrokenPipeError

    monkeypatch.setattr(demo, "curl", gone)
    monkeypatch.setattr("gateway.cli.running.run_gateway", lambda settings, on_ready: on_ready(["http://localhost"]))
    said = trigate("demo")
    assert said.code == 0
    assert "The demo's data is kept in" in said.err
