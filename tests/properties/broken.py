"""JSON with one value exchanged for another: what a broken server or a careless client sends."""

from typing import Any

from hypothesis import strategies as st

JUNK: list[Any] = [None, 1, -1, True, "x", [], {}, [1], ["x"], [{}], [None], {"type": "x"}, {"type": None}]


@st.composite
def broken(draw: st.DrawFn, value: Any) -> Any:
    """The value with something in it, at any depth, replaced by junk."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: draw(broken(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(broken(value[place])), *value[place + 1 :]]
    return draw(st.sampled_from(JUNK))
