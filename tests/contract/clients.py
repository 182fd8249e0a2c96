"""The official SDKs, pointed at a gateway. Nothing is retried unless a test asks for it: a retry hides a defect."""

from typing import Any

import anthropic
import openai

from tests.contract.gateway import Gateway


def messages_client(gateway: Gateway, key: str, *, base: str = "", **options: Any) -> anthropic.Anthropic:
    """Validates strictly what it receives, as the SDK does when its authors test their API with it."""
    defaults: dict[str, Any] = {"max_retries": 0, "timeout": 20, "_strict_response_validation": True}
    return anthropic.Anthropic(base_url=gateway.url + base, **{**defaults, "api_key": key, **options})


def async_messages_client(gateway: Gateway, key: str, **options: Any) -> anthropic.AsyncAnthropic:
    defaults: dict[str, Any] = {"max_retries": 0, "timeout": 20, "_strict_response_validation": True}
    return anthropic.AsyncAnthropic(base_url=gateway.url, **{**defaults, "api_key": key, **options})


def openai_client(gateway: Gateway, key: str, *, base: str = "/v1", **options: Any) -> openai.OpenAI:
    defaults: dict[str, Any] = {"max_retries": 0, "timeout": 20, "_strict_response_validation": True}
    return openai.OpenAI(base_url=gateway.url + base, **{**defaults, "api_key": key, **options})


def async_openai_client(gateway: Gateway, key: str, **options: Any) -> openai.AsyncOpenAI:
    defaults: dict[str, Any] = {"max_retries": 0, "timeout": 20, "_strict_response_validation": True}
    return openai.AsyncOpenAI(base_url=gateway.url + "/v1", **{**defaults, "api_key": key, **options})


def hello(text: str = "Hello") -> list[Any]:
    """A conversation of one turn, the same in Messages and Chat."""
    return [{"role": "user", "content": text}]
