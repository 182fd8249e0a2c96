"""`trigate config`."""

import tomllib
from pathlib import Path

import pytest

from gateway.settings import DATABASE, FIELDS
from gateway.store.database import connect_raw
from tests.cli.conftest import Trigate


def write(data_dir: Path, text: str) -> None:
    data_dir.mkdir()
    (data_dir / "config.toml").write_text(text)


def test_show_is_a_configuration_file(trigate: Trigate, data_dir: Path) -> None:
    shown = tomllib.loads(trigate("config", "show", "--origin").out)
    assert shown["bind"] == ["127.0.0.1:8000"]
    write(data_dir, trigate("config", "show").out)
    assert trigate("config", "validate").code == 0


def test_show_names_every_setting(trigate: Trigate) -> None:
    shown = trigate("config", "show", "--json").json
    assert [each["name"] for each in shown] == [field.name for field in FIELDS]


def test_show_says_where_a_value_comes_from(trigate: Trigate, data_dir: Path) -> None:
    write(data_dir, "drain_s = 5\n")
    shown = {each["name"]: each for each in trigate("config", "show", "--json", env={"TRIGATE_IP_RPM": "7"}).json}
    assert (shown["drain_s"]["value"], shown["drain_s"]["origin"]) == (5, f"file {data_dir / 'config.toml'}")
    assert (shown["ip_rpm"]["value"], shown["ip_rpm"]["origin"]) == (7, "environment TRIGATE_IP_RPM")
    assert shown["ip_burst"]["origin"] == "default"


def test_path_is_in_the_data_folder(trigate: Trigate, data_dir: Path) -> None:
    assert trigate("config", "path").out == f"{data_dir}/config.toml\n"


def test_path_names_the_file_that_was_chosen(trigate: Trigate, tmp_path: Path) -> None:
    said = trigate("config", "path", "--config", str(tmp_path / "other.toml"), "--json").json
    assert (said["path"], said["exists"]) == (str(tmp_path / "other.toml"), False)


def test_validate_counts_what_differs(trigate: Trigate, data_dir: Path) -> None:
    write(data_dir, "drain_s = 5\n")
    assert trigate("config", "validate", "--json").json["changed"] == ["drain_s"]


def test_validate_of_a_wrong_file_is_code_3(trigate: Trigate, data_dir: Path) -> None:
    write(data_dir, "drain = 5\n")
    said = trigate("config", "validate")
    assert said.code == 3
    assert "drain_s?" in said.err


def test_validate_looks_into_the_tls_files(trigate: Trigate, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    files = {"TRIGATE_TLS_CERT": str(tmp_path / "no.pem"), "TRIGATE_TLS_KEY": str(tmp_path / "no.pem")}
    assert trigate("config", "validate", env=files).code == 3


def test_keyless_service_to_everybody_is_code_4(trigate: Trigate) -> None:
    said = trigate("config", "validate", env={"TRIGATE_AUTH": "none", "TRIGATE_BIND": "0.0.0.0:80"})
    assert said.code == 4


# Changed while the gateway runs -------------------------------------------------------------------------------------


def setting(trigate: Trigate, name: str, **environment: str) -> dict[str, object]:
    listed = trigate("config", "show", "--json", env=environment).json
    return next(each for each in listed if each["name"] == name)


def test_set_outranks_every_other_origin(trigate: Trigate) -> None:
    trigate("db", "migrate")
    trigate("config", "set", "hedge_share_percent", "2.5")
    shown = setting(trigate, "hedge_share_percent", TRIGATE_HEDGE_SHARE_PERCENT="9")
    assert (shown["value"], shown["origin"]) == (2.5, "database")


def test_unset_lets_the_other_origins_hold_again(trigate: Trigate) -> None:
    trigate("db", "migrate")
    trigate("config", "set", "prune_days", "30")
    said = trigate("config", "unset", "prune_days", "--json", env={"TRIGATE_PRUNE_DAYS": "90"}).json
    assert (said["value"], said["origin"]) == (90, "environment TRIGATE_PRUNE_DAYS")


def test_unset_of_what_was_never_set_is_code_5(trigate: Trigate) -> None:
    trigate("db", "migrate")
    trigate("config", "set", "race_width", "4")
    said = trigate("config", "unset", "prune_days")
    assert said.code == 5
    assert "changed is: race_width" in said.err


def test_a_setting_that_is_read_at_start_cannot_be_set(trigate: Trigate) -> None:
    trigate("db", "migrate")
    said = trigate("config", "set", "drain_s", "5")
    assert said.code == 2
    assert "TRIGATE_DRAIN_S" in said.err


@pytest.mark.parametrize("value", ["-1", "101", "some", "true", ""])
def test_a_value_that_cannot_be_is_refused(trigate: Trigate, value: str) -> None:
    trigate("db", "migrate")
    assert trigate("config", "set", "hedge_share_percent", value).code == 2
    assert setting(trigate, "hedge_share_percent")["origin"] == "default"


def test_a_change_no_release_understands_is_named_and_can_be_taken_back(trigate: Trigate, data_dir: Path) -> None:
    trigate("db", "migrate")
    connection = connect_raw(data_dir / DATABASE)
    connection.execute("INSERT INTO setting_overrides VALUES ('hedge_colour', 'red')")
    connection.close()
    refused = trigate("config", "validate")
    assert refused.code == 3
    assert "`trigate config unset hedge_colour` takes it back" in refused.err
    assert trigate("config", "unset", "hedge_colour").code == 0
    assert trigate("config", "validate").code == 0


def test_changes_leave_a_trace(trigate: Trigate, data_dir: Path) -> None:
    trigate("db", "migrate")
    trigate("config", "set", "race_width", "4")
    trigate("config", "unset", "race_width")
    connection = connect_raw(data_dir / DATABASE)
    audit = connection.execute("SELECT action, subject FROM audit ORDER BY id").fetchall()
    connection.close()
    assert audit == [("config.set", "race_width"), ("config.unset", "race_width")]
