"""Reasoning under seal: only this gateway's own comes back."""

import pytest

from gateway.translate.envelope import (
    CHAT_REASONING,
    HmacSigner,
    from_reasoning_item,
    from_thinking,
    to_thinking,
)

SIGNER = HmacSigner({"k2": b"new key", "k1": b"old key"})


def test_what_was_sealed_opens():
    payload = {"v": "anthropic", "m": "claude", "s": "sig+/=", "t": "naïve"}
    assert SIGNER.open(SIGNER.seal(payload)) == payload


def test_the_same_payload_is_the_same_text():
    assert SIGNER.seal({"v": "a", "m": "b"}) == SIGNER.seal({"m": "b", "v": "a"})


def test_a_seal_of_an_earlier_key_still_opens():
    sealed = HmacSigner({"k1": b"old key"}).seal(CHAT_REASONING)
    assert SIGNER.open(sealed) == CHAT_REASONING


@pytest.mark.parametrize(
    "text",
    [
        "",
        "EosnCkYI",
        "gAAAAABo",
        "gwr1",
        "gwr1.k2.e30.",
        "gwr1.k9.e30.AAAA",
        "gwr1.k2.\udc80.AAAA",
        HmacSigner({"k2": b"another gateway"}).seal(CHAT_REASONING),
        SIGNER.seal(CHAT_REASONING).replace("gwr1.k2.", "gwr1.k1."),
        SIGNER.seal(CHAT_REASONING)[:-1] + "é",
    ],
)
def test_anything_else_does_not(text: str):
    assert SIGNER.open(text) is None


def test_claudes_thinking_there_and_back():
    block = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    assert to_thinking(from_thinking(block, "claude")) == block


def test_redacted_thinking_there_and_back():
    block = {"type": "redacted_thinking", "data": "xyz"}
    assert to_thinking(from_thinking(block, "claude")) == block


def test_thinking_without_a_signature_is_nothing_to_keep():
    assert from_thinking({"type": "thinking", "thinking": "hm", "signature": ""}, "claude") is None


def test_another_vendors_reasoning_is_no_thinking_of_claudes():
    assert to_thinking(from_reasoning_item({"id": "rs_1", "encrypted_content": "e"})) is None
    assert to_thinking(CHAT_REASONING) is None
    assert to_thinking(None) is None
