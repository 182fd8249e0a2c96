"""The official SDKs, pointed at a gateway. Nothing is retried unless a test asks for it: a retry hides a defect.

They validate strictly what they receive, as they do when their authors test their own services. No TLS is spoken, so
none is prepared for: that would take a client 30 ms.
"""

from typing import Any

import anthropic
import openai

from tests.contract.gateway import Gateway

_OPTIONS: dict[str, Any] = {"max_retries": 0, "timeout": 20, "_strict_response_validation": True}


def messages_client(gateway: Gateway, key: str, *, base: str = "", **options: Any) -> anthropic.Anthropic:
    options.setdefault("http_client", anthropic.DefaultHttpxClient(verify=False))
    return anthropic.Anthropic(base_url=gateway.url + base, **{**_OPTIONS, "api_key": key, **options})


def async_messages_client(gateway: Gateway, key: str) -> anthropic.AsyncAnthropic:
    http_client = anthropic.DefaultAsyncHttpxClient(verify=False)
    return anthropic.AsyncAnthropic(base_url=gateway.url, api_key=key, http_client=http_client, **_OPTIONS)


def openai_client(gateway: Gateway, key: str, *, base: str = "/v1", **options: Any) -> openai.OpenAI:
    options.setdefault("http_client", openai.DefaultHttpxClient(verify=False))
    return openai.OpenAI(base_url=gateway.url + base, **{**_OPTIONS, "api_key": key, **options})


def async_openai_client(gateway: Gateway, key: str) -> openai.AsyncOpenAI:
    http_client = openai.DefaultAsyncHttpxClient(verify=False)
    return openai.AsyncOpenAI(base_url=gateway.url + "/v1", api_key=key, http_client=http_client, **_OPTIONS)


def hello(text: str = "Hello") -> list[Any]:
    """A conversation of one turn, the same in Messages and Chat."""
    return [{"role": "user", "content": text}]
