"""What an operator changes from another process, as the customers of a running gateway notice it."""

import anthropic
import pytest

from gateway.store.operators import customers
from gateway.store.operators import keys as key_changes
from tests.contract.clients import hello, messages_client
from tests.contract.house import ACTOR

BODY = {"model": "claude-plain", "max_tokens": 50, "messages": hello()}


def test_a_revoked_keys_open_stream_is_cut_and_billed(gateway, keys):
    with (
        messages_client(gateway, keys.fleeting) as client,
        client.messages.create(model="claude-quiet", max_tokens=9, messages=hello(), stream=True) as stream,
    ):
        next(event for event in stream if event.type == "content_block_delta")
        gateway.change(lambda database: key_changes.revoke(database, ACTOR, "fleeting"))
        with pytest.raises(anthropic.APIStatusError):
            list(stream)
    call = gateway.story(stream.response.headers["request-id"]).call
    assert call.outcome == "partial"
    assert gateway.charges(call.id) == [-call.cost_micro]
    assert gateway.post("/v1/messages", keys.fleeting, BODY).status_code == 401


def test_a_top_up_is_spendable_at_once(gateway, keys):
    assert gateway.post("/v1/messages", keys.refilled, BODY).status_code == 402
    gateway.change(lambda database: customers.topup(database, ACTOR, "refilled", 5_000_000))
    gateway.wait_for(
        lambda: gateway.get("/v1/balance", keys.refilled).json()["balance_micro"] == 5_000_000,
        "the top-up was not seen",
    )
    assert gateway.post("/v1/messages", keys.refilled, BODY).status_code == 200


def test_a_rotated_keys_old_secret_is_good_for_the_grace_period(gateway, keys):
    _, secret = gateway.change(lambda database: key_changes.rotate(database, ACTOR, "rotated", grace_s=60))
    gateway.wait_for(lambda: gateway.get("/v1/models", secret).status_code == 200, "the new secret is not known")
    assert gateway.get("/v1/models", keys.rotated).status_code == 200


def test_a_small_balance_lowers_the_output_limit_and_is_spent_without_an_overdraft(gateway, keys):
    answers = []
    while not answers or answers[-1].status_code == 200:
        answers.append(gateway.post("/v1/messages", keys.spender, {**BODY, "model": "haiku", "max_tokens": 8_000}))
    assert len(answers) > 2
    assert answers[-1].status_code == 402
    assert "clamped:max_tokens" in answers[0].headers["x-gateway-warnings"]
    assert gateway.balance("spender") >= 0


def test_a_second_gateway_on_the_same_folder_is_told_who_holds_it(gateway):
    done = gateway.run_second()
    assert done.returncode == 6
    assert str(gateway.pid) in done.stderr
