"""What Textual would keep of pages that were closed."""

from functools import lru_cache, partial
from typing import Any

from textual._styles_cache import StylesCache

# A widget has two colours, and a console few pairs of them.
_inner_outer = lru_cache(256)(partial(StylesCache.get_inner_outer.__wrapped__, StylesCache))


def let_go() -> None:
    """Once, before widgets are drawn.

    Textual 8.2 computes the two backgrounds of a widget with a cached method, and the cache holds the widget's drawn
    lines along with it: those of the last thousand widgets, whether they are on the screen or were removed. Opening and
    closing a call ninety times left 17,000 lines and 29 MiB behind. The colours alone are remembered here.
    """
    styles_cache: Any = StylesCache
    styles_cache.get_inner_outer = staticmethod(_inner_outer)
