"""Containers around what moves: that their content grew is no reason to lay out the screen again."""

from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.geometry import Size
from textual.reactive import Reactive


def quiet_size() -> Reactive[Size]:
    """For a widget's `virtual_size`, how large its content is. It follows from a layout.

    Textual lays out once more when it is another, and paints the widget anew: every line that came or went cost two
    layouts and two frames. A scroll bar that appears or disappears asks for a layout itself.
    """
    return Reactive(Size(0, 0), layout=False, repaint=False)


class Still(Container):
    virtual_size = quiet_size()


class StillHorizontal(Horizontal):
    virtual_size = quiet_size()


class StillVertical(Vertical):
    virtual_size = quiet_size()


class StillScroll(VerticalScroll):
    virtual_size = quiet_size()
