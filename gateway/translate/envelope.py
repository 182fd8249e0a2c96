"""Reasoning that clients carry for the gateway: sealed, so that on its way back it is known for what it is.

A Claude model refuses a signature it did not make, OpenAI an `encrypted_content` that is not its own. What goes into
these fields of another dialect is therefore an envelope `gwr1.<key id>.<base64url of JSON>.<mac>` whose members are
`v` the vendor, `m` its model, `i` an item's id, `s` a signature, `t` thinking text, `d` redacted data, `e` encrypted
content, `y` a summary. Whatever does not open is dropped.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

_VERSION = "gwr1"
_PAYLOADS = msgspec.json.Decoder(dict[str, str])


class HmacSigner:
    """Seals with the first key, opens with any: HMAC-SHA256 over version, key id and content."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys` by id, the current one first. An id has neither dots nor spaces."""
        self._keys = dict(keys)
        self._current = next(iter(self._keys))

    def seal(self, payload: dict[str, str]) -> str:
        content = base64.urlsafe_b64encode(msgspec.json.encode(payload, order="sorted")).rstrip(b"=").decode()
        head = f"{_VERSION}.{self._current}.{content}"
        return f"{head}.{self._mac(self._current, head)}"

    def open(self, text: str) -> dict[str, str] | None:
        head, _, mac = text.rpartition(".")
        parts = head.split(".")
        if len(parts) != 3 or parts[0] != _VERSION or parts[1] not in self._keys:
            return None
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(parts[1], head).encode()):
            return None
        try:
            return _PAYLOADS.decode(base64.urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4)))
        except (ValueError, msgspec.DecodeError):
            return None

    def _mac(self, key_id: str, head: str) -> str:
        digest = hmac.new(self._keys[key_id], head.encode("utf-8", "replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:24]).decode()


def from_thinking(block: dict[str, Any], model: str) -> dict[str, str] | None:
    """What to seal of a Claude thinking block, so that it can be given back to Claude; None: it has no signature."""
    if block.get("type") == "redacted_thinking":
        return {"v": "anthropic", "m": model, "d": str(block.get("data") or "")}
    signature = block.get("signature")
    if not signature:
        return None
    payload = {"v": "anthropic", "m": model, "s": str(signature)}
    return {**payload, "t": str(block["thinking"])} if block.get("thinking") else payload


def to_thinking(payload: dict[str, str] | None) -> dict[str, Any] | None:
    """The Claude block that was sealed; None for anything another vendor made."""
    if payload is None or payload.get("v") != "anthropic":
        return None
    if "d" in payload:
        return {"type": "redacted_thinking", "data": payload["d"]}
    return {"type": "thinking", "thinking": payload.get("t", ""), "signature": payload.get("s", "")}


def from_reasoning_item(item: dict[str, Any]) -> dict[str, str]:
    """What to seal of an OpenAI reasoning item: its id, and its encrypted content where it has one."""
    payload = {"v": "openai", "i": str(item.get("id") or "")}
    encrypted = item.get("encrypted_content")
    return {**payload, "e": str(encrypted)} if encrypted else payload


CHAT_REASONING = {"v": "chat"}
"""What to seal where a Chat server's plain reasoning was shown: nothing of it can be given back but its text."""
