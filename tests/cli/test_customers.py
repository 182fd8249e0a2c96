"""`trigate customers`."""

from tests.cli.conftest import Trigate


def test_create_answers_the_customer_as_json(trigate: Trigate) -> None:
    made = trigate("customers", "create", "alice", "--balance", "12.50", "--day-limit", "3", "--json").json
    assert made["name"] == "alice"
    assert made["balance_micro"] == 12_500_000
    assert made["balance_usd"] == "12.50"
    assert made["day_limit_micro"] == 3_000_000
    assert made["month_limit_micro"] is None
    assert made["unlimited"] is False


def test_an_unlimited_customer_is_told_apart_from_a_prepaid_one(trigate: Trigate) -> None:
    trigate("customers", "create", "me", "--unlimited")
    assert "(unlimited)" in trigate("customers", "list").out


def test_a_new_customer_without_credit_is_told_how_to_get_some(trigate: Trigate) -> None:
    assert "trigate customers topup alice" in trigate("customers", "create", "alice").err


def test_show_names_the_keys(trigate: Trigate) -> None:
    trigate("keys", "create", "laptop", "--customer", "alice")
    assert trigate("customers", "show", "alice", "--json").json["key_names"] == ["laptop"]
    assert ["keys", "laptop"] in trigate("customers", "show", "alice").rows


def test_set_changes_what_is_named_and_leaves_the_rest(trigate: Trigate) -> None:
    trigate("customers", "create", "alice", "--day-limit", "3", "--month-limit", "9")
    changed = trigate("customers", "set", "alice", "--day-limit", "none", "--name", "alicia", "--json").json
    assert (changed["name"], changed["day_limit_micro"], changed["month_limit_micro"]) == ("alicia", None, 9_000_000)


def test_set_without_an_option_is_refused(trigate: Trigate) -> None:
    trigate("customers", "create", "alice")
    assert trigate("customers", "set", "alice").code == 2


def test_topup_adds_and_says_the_new_balance(trigate: Trigate) -> None:
    trigate("customers", "create", "alice", "--balance", "1")
    entry = trigate("customers", "topup", "alice", "2.50", "--note", "invoice 7", "--json").json
    assert (entry["kind"], entry["amount_micro"], entry["note"]) == ("topup", 2_500_000, "invoice 7")
    assert entry["balance_micro"] == 3_500_000


def test_the_same_reference_adds_once(trigate: Trigate) -> None:
    trigate("customers", "create", "alice")
    first = trigate("customers", "topup", "alice", "2", "--reference", "pay-1", "--json").json
    second = trigate("customers", "topup", "alice", "2", "--reference", "pay-1", "--json").json
    assert first["id"] == second["id"]
    assert second["balance_micro"] == 2_000_000


def test_adjust_takes_a_negative_amount_without_ceremony(trigate: Trigate) -> None:
    trigate("customers", "create", "alice", "--balance", "5")
    entry = trigate("customers", "adjust", "alice", "-1.5", "--note", "refunded twice", "--json").json
    assert (entry["amount_usd"], entry["balance_usd"]) == ("-1.50", "3.50")


def test_adjust_needs_a_reason(trigate: Trigate) -> None:
    trigate("customers", "create", "alice")
    assert trigate("customers", "adjust", "alice", "1").code == 2


def test_disable_and_enable(trigate: Trigate) -> None:
    trigate("customers", "create", "alice")
    assert trigate("customers", "disable", "alice", "--json").json["enabled"] is False
    assert trigate("customers", "list").rows[0][-1] == "disabled"
    assert trigate("customers", "enable", "alice", "--json").json["enabled"] is True
