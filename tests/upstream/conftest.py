"""Fixtures of the upstream tests."""

from collections.abc import AsyncIterator, Callable

import pytest

from gateway.upstream.transport import TrioTransport


@pytest.fixture
async def client() -> AsyncIterator[Callable[..., TrioTransport]]:
    """Makes transports and closes them when the test ends."""
    made: list[TrioTransport] = []

    def make(**options: object) -> TrioTransport:
        made.append(TrioTransport(**options))
        return made[-1]

    yield make
    for transport in made:
        await transport.aclose()
