"""Settings: which source wins, and what a mistake says."""

import re
from pathlib import Path

import pytest

from gateway.edge.address import parse_networks
from gateway.errors import ConfigurationError, NotPermitted
from gateway.settings import (
    FIELDS,
    Settings,
    default_config_path,
    default_data_dir,
    is_loopback,
    load_settings,
    with_changes,
)


def load(tmp_path, *, flags=None, environ=None, file=None, config_path=None):
    if file is not None:
        default_config_path(tmp_path).write_text(file)
    return load_settings(flags or {}, environ or {}, config_path, tmp_path)


def test_defaults_need_no_source(tmp_path):
    settings = load(tmp_path)
    assert settings.bind == ("127.0.0.1:8000",)
    assert settings.max_body_bytes == 33_554_432
    assert set(settings.origins.values()) == {"default"}


def test_the_file_outranks_the_default(tmp_path):
    settings = load(tmp_path, file="drain_s = 5")
    assert settings.drain_s == 5
    assert settings.origins["drain_s"] == f"file {tmp_path}/config.toml"


def test_the_environment_outranks_the_file(tmp_path):
    settings = load(tmp_path, file="drain_s = 5", environ={"TRIGATE_DRAIN_S": "6"})
    assert settings.drain_s == 6
    assert settings.origins["drain_s"] == "environment TRIGATE_DRAIN_S"


def test_a_flag_outranks_the_environment(tmp_path):
    settings = load(tmp_path, flags={"drain_s": 7}, environ={"TRIGATE_DRAIN_S": "6"})
    assert settings.drain_s == 7
    assert settings.origins["drain_s"] == "flag --drain-s"


def test_flags_that_were_not_given_change_nothing(tmp_path):
    settings = load(tmp_path, flags={"bind": (), "drain_s": None}, environ={"TRIGATE_DRAIN_S": "6"})
    assert settings.drain_s == 6
    assert settings.bind == ("127.0.0.1:8000",)


def test_lists_in_the_environment_have_commas(tmp_path):
    settings = load(tmp_path, environ={"TRIGATE_BIND": "127.0.0.1:1, [::1]:2,unix:/run/x.sock"})
    assert settings.bind == ("127.0.0.1:1", "[::1]:2", "unix:/run/x.sock")


def test_switches_in_the_environment_are_words(tmp_path):
    assert load(tmp_path, environ={"TRIGATE_FAMILY_FALLBACK": "false"}).family_fallback is False


def test_an_unknown_key_in_the_file_suggests_the_right_one(tmp_path):
    with pytest.raises(ConfigurationError, match=r"'drain' in .*config\.toml\. Did you mean drain_s\?"):
        load(tmp_path, file="drain = 5")


def test_an_unknown_variable_suggests_the_right_one(tmp_path):
    with pytest.raises(ConfigurationError, match=r"TRIGATE_BNID in the environment\. Did you mean TRIGATE_BIND\?"):
        load(tmp_path, environ={"TRIGATE_BNID": "x"})


def test_variables_of_others_and_of_the_vault_are_left_alone(tmp_path):
    load(tmp_path, environ={"HOME": "/root", "TRIGATE_MASTER_KEY": "x", "TRIGATE_DATA_DIR": "x", "TRIGATE_CONFIG": "x"})


@pytest.mark.parametrize(
    ("environ", "file", "message"),
    [
        ({"TRIGATE_IP_RPM": "many"}, None, "ip_rpm (whole number) cannot be 'many', from environment TRIGATE_IP_RPM"),
        ({}, "ip_rpm = '60'", "ip_rpm (whole number) cannot be '60', from file"),
        ({}, "ip_rpm = 0", "ip_rpm (whole number) cannot be 0"),
        ({"TRIGATE_DRAIN_S": "nan"}, None, "drain_s (number) cannot be 'nan'"),
        ({"TRIGATE_CALL_TIMEOUT_S": "inf"}, None, "call_timeout_s (number) cannot be 'inf'"),
        ({}, "auth = 'open'", "auth (keys or none) cannot be 'open'"),
        ({}, "bind = '127.0.0.1:8000'", "bind (list of text) cannot be '127.0.0.1:8000'"),
        ({}, "bind = []", "bind (list of text) cannot be []"),
        ({}, "bind = ['8000']", "'8000' is not an address"),
        ({}, "bind = ['::1:8000']", "'::1:8000' is not an address"),
        ({}, "bind = ['127.0.0.1:70000']", "'127.0.0.1:70000' is not an address"),
        ({}, "socket_mode = 'rwx'", "socket_mode (text) cannot be 'rwx'"),
        ({}, "trusted_proxies = ['10.0.0.0/99']", "'10.0.0.0/99' is not a network"),
        ({}, "tls_cert = 'cert.pem'", "tls_key is not set"),
        ({}, "drain_s = ", "config.toml is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_origin(tmp_path, environ, file, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        load(tmp_path, environ=environ, file=file)


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no configuration file .*other\.toml"):
        load(tmp_path, config_path=tmp_path / "other.toml")


def test_a_named_file_is_read_instead_of_the_default_one(tmp_path):
    (tmp_path / "other.toml").write_text("drain_s = 9")
    assert load(tmp_path, file="drain_s = 5", config_path=tmp_path / "other.toml").drain_s == 9


def test_keyless_service_beyond_loopback_is_refused(tmp_path):
    with pytest.raises(NotPermitted, match=r"auth = none on 0\.0\.0\.0:80"):
        load(tmp_path, flags={"auth": "none", "bind": ("127.0.0.1:80", "0.0.0.0:80")})


def test_keyless_service_beyond_loopback_can_be_insisted_on(tmp_path):
    flags = {"auth": "none", "bind": ("0.0.0.0:80",), "allow_open_auth": True}
    assert load(tmp_path, flags=flags).auth == "none"


@pytest.mark.parametrize("bind", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/run/x.sock"])
def test_loopback_binds(bind):
    assert is_loopback(bind)


@pytest.mark.parametrize("bind", ["0.0.0.0:1", "[::]:1", "192.168.0.1:1", "example.com:1", "localhost.example.com:1"])
def test_binds_that_others_reach(bind):
    assert not is_loopback(bind)


def test_trusted_proxies_are_networks(tmp_path):
    settings = load(tmp_path, file="trusted_proxies = ['10.0.0.1', 'fd00::/8']")
    assert [str(network) for network in parse_networks(settings.trusted_proxies)] == ["10.0.0.1/32", "fd00::/8"]


def test_the_socket_mode_is_octal(tmp_path):
    assert load(tmp_path, file="socket_mode = '600'").socket_permissions == 0o600


def test_every_setting_is_described():
    assert {field.name for field in FIELDS} == set(Settings.__struct_fields__) - {"data_dir", "config_path", "origins"}
    assert all(field.description and field.environment == "TRIGATE_" + field.name.upper() for field in FIELDS)


def test_a_checkout_keeps_its_data_in_itself():
    assert default_data_dir() == Path(__file__).resolve().parents[2] / "data"


def test_what_the_database_changes_is_in_force_and_says_so(tmp_path):
    settings = with_changes(load(tmp_path, file="prune_days = 90"), {"prune_days": "30", "hedge_share_percent": "2.5"})
    assert (settings.prune_days, settings.hedge_share_percent) == (30, 2.5)
    assert settings.origins["prune_days"] == "database"
    assert settings.origins["race_width"] == "default"


@pytest.mark.parametrize(("name", "text"), [("drain_s", "5"), ("hedge_colour", "red"), ("race_width", "1")])
def test_a_change_that_cannot_be_followed_says_how_to_take_it_back(tmp_path, name, text):
    with pytest.raises(ConfigurationError, match=f"`trigate config unset {name}` takes it back"):
        with_changes(load(tmp_path), {name: text})
