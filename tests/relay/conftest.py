"""Fixtures of the relay's tests."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep log lines out of the tests' output."""
    with structlog.testing.capture_logs():
        yield
