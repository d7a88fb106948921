"""`show_source`: the page shows the very object that runs."""

import inspect
import textwrap
from typing import Any

from IPython.display import display


class Source(str):
    """Python source that each place shows in its own way."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        # Markdown, because the page and JupyterLab highlight it as they do their own code.
        return f"```python\n{self}\n```"


def show_source(*objects: Any) -> None:
    """Show the source of functions or classes: highlighted by the theme on a page, plain in a terminal.

    Raises `TypeError` for what has no Python source, such as a built-in function or a value.

    >>> from utils.explore import title_of
    >>> show_source(title_of)  # doctest: +ELLIPSIS
    def title_of(draw: Draw) -> str:
    ...
    """
    if not objects:
        raise TypeError("show_source needs a function or a class, got nothing")
    display(Source("\n\n\n".join(_source_of(shown) for shown in objects)))


def _source_of(shown: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(shown)).rstrip()
    except (TypeError, OSError) as error:
        raise TypeError(f"expected a function or a class written in Python, got {shown!r}") from error
