"""What a translation changed, for `x-gateway-warnings`."""

import re
from typing import Literal

from gateway.errors import Unsupported
from gateway.translate.base import Policy

MAX_CODES = 64
"""More of them would be a header some clients refuse: what is left out is counted."""

_MAX_CHARACTERS = 160
_NOT_IN_HEADERS = re.compile(r"[^!-~]")

Kind = Literal["dropped", "clamped", "emulated"]


class Warnings:
    """Collects warning codes in the order they came up, each once. Under `strict` a drop is a refusal."""

    def __init__(self, policy: Policy = "normal") -> None:
        self._policy = policy
        self._codes: dict[str, None] = {}

    @property
    def lenient(self) -> bool:
        return self._policy == "lenient"

    def dropped(self, path: str, *, field: str | None = None) -> None:
        """Something the client sent does not reach the upstream. `path` may end in a remark, `field` never does."""
        if self._policy == "strict":
            field = field or path.partition("(")[0]
            raise Unsupported(f"`{field}` cannot be honoured by this model.", field=field)
        self._add("dropped", path)

    def clamped(self, path: str) -> None:
        """A value was brought to the nearest one the upstream takes."""
        self._add("clamped", path)

    def emulated(self, path: str) -> None:
        """Something is said or done in another way."""
        self._add("emulated", path)

    @property
    def codes(self) -> tuple[str, ...]:
        codes = tuple(self._codes)
        left_out = len(codes) - MAX_CODES
        return codes if left_out <= 0 else (*codes[:MAX_CODES], f"and:{left_out}-more")

    def _add(self, kind: Kind, path: str) -> None:
        """Paths end with the client's own words sometimes, and none of those may write a header of theirs."""
        self._codes[f"{kind}:{_NOT_IN_HEADERS.sub('_', path)[:_MAX_CHARACTERS]}"] = None
