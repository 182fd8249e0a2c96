"""Shared by every test folder."""

import inspect

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coroutine tests run on trio, but for the console's, which run on Textual's own loop."""
    for item in items:
        function = getattr(item, "function", None)
        if inspect.iscoroutinefunction(function) and "tests/tui" not in item.nodeid:
            item.add_marker(pytest.mark.trio)
