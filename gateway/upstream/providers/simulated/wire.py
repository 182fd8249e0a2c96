"""What the three protocols of the simulated provider share: frames, pace, ids, refusals."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gateway.errors import ConfigurationError
from gateway.records import Account

Frame = tuple[float, bytes]
"""Seconds to wait after the frame before, and the bytes that then arrive."""

_PING_EVERY_S = 5.0
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Options(Struct, frozen=True):
    """`Account.options` of a simulated account. Rates are shares of calls, 0 to 1.

    `cut_rate` breaks a streamed answer off after some of it: the connection resets, or ends quietly, or an error event
    comes. `hang_rate` goes silent before any content. `refuse_models` is a list with commas.
    """

    seed: int = 0
    ttft_ms: float = 300
    tokens_per_second: float = 60
    jitter: float = 0.2
    error_rate: float = 0
    rate_limit_rate: float = 0
    overload_rate: float = 0
    cut_rate: float = 0
    hang_rate: float = 0
    refuse_models: str = ""

    def __post_init__(self) -> None:
        if self.tokens_per_second <= 0 or self.ttft_ms < 0:
            raise ValueError("tokens_per_second must be above 0 and ttft_ms not below")
        if not 0 <= self.jitter <= 1:
            raise ValueError("jitter must be between 0 and 1")
        for name in ("error_rate", "rate_limit_rate", "overload_rate", "cut_rate", "hang_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1")

    def refuses(self, model: str) -> bool:
        """True if the operator took this model out."""
        return model in [each.strip() for each in self.refuse_models.split(",")]


def read_options(account: Account) -> Options:
    """The account's options; switches that are not the simulation's are passed over. Raises ConfigurationError."""
    try:
        return msgspec.convert(account.options, Options, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"The options of simulated account {account.name!r} are wrong: {error}.") from None


class Refusal(Exception):
    """A request this provider will not serve. Each protocol writes it in its own envelope.

    `kind` is the Messages error type; `code` and `param` appear in OpenAI's envelope only.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.headers = dict(headers or {})


class Identifiers:
    """Ids as the vendors shape them, drawn from `source`."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def new(self, prefix: str, length: int = 24) -> str:
        return prefix + "".join(self._source.choices(_ALPHABET, k=length))

    def hexadecimal(self, prefix: str, length: int = 48) -> str:
        return f"{prefix}{self._source.getrandbits(length * 4):0{length}x}"


class Beat:
    """When the next frame is due: `first` after the request, then a token at a time, each a little early or late."""

    def __init__(self, options: Options, source: random.Random) -> None:
        self._options = options
        self._source = source

    def first(self) -> float:
        """Seconds to the first content."""
        return self._swing() * self._options.ttft_ms / 1_000

    def tokens(self, count: int = 1) -> float:
        """Seconds that `count` tokens take."""
        return self._swing() * count / self._options.tokens_per_second

    def silence(self, count: int, ping: bytes) -> Iterator[Frame]:
        """The time of `count` tokens that nobody sees, with `ping` now and then; the rest is the last frame's delay."""
        left = self.tokens(count)
        while left > _PING_EVERY_S:
            left -= _PING_EVERY_S
            yield _PING_EVERY_S, ping
        yield left, b""

    def _swing(self) -> float:
        jitter = self._options.jitter
        return 1 + jitter * (2 * self._source.random() - 1)


def text_of(content: Any) -> str:
    """The text in a content of any of the three protocols: a string, or parts that have a `text`."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
        return "\n".join(texts)
    return ""


def members(value: Any) -> dict[str, Any]:
    """`value` if it is an object, otherwise an empty one: for optional members whose absence and null are the same."""
    return value if isinstance(value, dict) else {}


def elements(value: Any) -> list[dict[str, Any]]:
    """The objects in `value`, if it is a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts(value: Any) -> tuple[str, ...]:
    """The texts in `value`: one, or a list of them."""
    if isinstance(value, str):
        return (value,)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def whole_number(body: Mapping[str, Any], name: str, least: int) -> int | None:
    """An optional integer member. Raises Refusal."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal(f"{name}: Input should be a valid integer", param=name, code="invalid_type")
    if value < least:
        raise Refusal(
            f"{name}: Input should be greater than or equal to {least}", param=name, code="integer_below_min_value"
        )
    return value


def model_of(body: Mapping[str, Any]) -> str:
    """The model asked for. Raises Refusal."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal("model: Field required", param="model", code="missing_required_parameter")
    return model
