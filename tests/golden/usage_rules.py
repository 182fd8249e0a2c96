"""Usage on both sides of a translation: the same tokens in the same classes, whoever counts how."""

from typing import Any

from gateway.records import Usage
from tests.golden.sdk_types import Bad

Partition = tuple[int, int, int, int]
"""All input, of it read from the cache, of it written to the cache; output."""


def partition(dialect: str, usage: dict[str, Any]) -> Partition:
    """A usage object as the classes that every dialect has."""
    if dialect == "messages":
        read = usage.get("cache_read_input_tokens") or 0
        written = usage.get("cache_creation_input_tokens") or 0
        return (usage.get("input_tokens") or 0) + read + written, read, written, usage.get("output_tokens") or 0
    prompt, answer = ("prompt", "completion") if dialect == "chat" else ("input", "output")
    details = usage.get(f"{prompt}_tokens_details") or {}
    total_in, total_out = usage.get(f"{prompt}_tokens") or 0, usage.get(f"{answer}_tokens") or 0
    if usage and usage.get("total_tokens") != total_in + total_out:
        raise Bad(f"total_tokens {usage.get('total_tokens')} is not {total_in} + {total_out}")
    return total_in, details.get("cached_tokens") or 0, details.get("cache_write_tokens") or 0, total_out


def check_usage(case: dict[str, Any], metered: Usage | None) -> None:
    """What the client reads and what was metered are what the upstream reported, all parts of it together."""
    parts = [case[name]["usage"] for name in ("upstream_response", "upstream_response_2") if name in case]
    reported = [partition(case["upstream"], usage) for usage in parts]
    upstream = tuple(map(sum, zip(*reported, strict=True)))
    client = partition(case["client"], case["client_response"]["usage"])
    if upstream != client and not case.get("usage_differs"):
        raise Bad(f"usage is not conserved: upstream {upstream}, client {client}")
    if metered is None:
        raise Bad("usage was reported and not metered")
    if (metered.prompt_tokens, metered.output_tokens) != (upstream[0], upstream[3]):
        raise Bad(f"metered {metered}, upstream {upstream}")
