"""The controls of an explorable figure: whatever `ipywidgets.interact` takes, as a finite list of positions."""

import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np

# A picture for each position must be drawn, stored and carried to a phone: 240 of 40 kB are 10 MB.
BUDGET = 240


@dataclass(frozen=True)
class Control:
    """One control and the finite list of positions it can take."""

    name: str
    kind: str  # "range", "choice", "check" or "steps": what it looks like on a page
    labels: tuple[str, ...]
    values: tuple[Any, ...]
    default: int  # an index into `values`
    widget: Any  # what a live kernel shows

    @property
    def title(self) -> str:
        """The name as a reader sees it."""
        return self.name.replace("_", " ")


def parse_controls(draw: Callable[..., Any], given: Mapping[str, Any]) -> tuple[list[Control], dict[str, Any]]:
    """The controls in the order they were given, and the arguments that stay fixed."""
    if not callable(draw):
        raise TypeError(f"explore draws with a function, got {draw!r}; pass the function itself, without calling it")
    parameters = inspect.signature(draw).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    controls, constants = [], {}
    for name, value in given.items():
        if name not in parameters and not takes_any:
            raise TypeError(f"{draw.__name__} takes no argument {name!r}; it takes {', '.join(parameters) or 'none'}")
        if isinstance(value, widgets.fixed):
            constants[name] = value.value
        else:
            default = parameters[name].default if name in parameters else inspect.Parameter.empty
            controls.append(parse_control(name, value, default))
    missing = [p.name for p in parameters.values() if _is_required(p) and p.name not in given]
    if missing:
        raise TypeError(f"{draw.__name__} needs a control or a default for {', '.join(map(repr, missing))}")
    _check_budget(draw.__name__, controls)
    return controls, constants


def _is_required(parameter: inspect.Parameter) -> bool:
    is_variadic = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    return parameter.default is parameter.empty and not is_variadic


def parse_control(name: str, given: Any, default: Any = inspect.Parameter.empty) -> Control:
    """One control; `default` is where it starts, or else the widget's own value (the middle for a tuple).

    >>> parse_control("sigma", (0.5, 2.0, 0.5), 1.0).labels
    ('0.5', '1.0', '1.5', '2.0')
    """
    nothing = f"control {name!r} has no positions: {given!r}; give it at least one value"
    if isinstance(given, list | tuple | dict) and not given:
        raise ValueError(nothing)
    try:
        # Passing through interact's own rules keeps the site and a kernel from drifting apart.
        widget = given if isinstance(given, widgets.Widget) else widgets.interactive.widget_from_abbrev(given)
    except (ValueError, TypeError) as error:
        raise ValueError(f"control {name!r} cannot be made from {given!r}: {error}") from error
    kind, labels, values = _positions(name, given, widget)
    if not values:
        raise ValueError(nothing)
    start = default
    if default is inspect.Parameter.empty:
        # Interact starts in the middle of a tuple, on the grid or not.
        start = values[(len(values) - 1) // 2] if isinstance(given, tuple) else widget.value
    position = next((i for i, value in enumerate(values) if _same(value, start)), None)
    if position is None:
        shown = ", ".join(labels if len(labels) <= 8 else (*labels[:3], "…", *labels[-2:]))
        raise ValueError(
            f"control {name!r} starts at {start!r}, which is none of its positions: {shown}; "
            "give the argument a default among them, or the control more positions"
        )
    return Control(name, kind, labels, values, position, widget)


def _positions(name: str, given: Any, widget: Any) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    """How a control looks, and the label and value of each of its positions."""
    if isinstance(widget, widgets.Checkbox | widgets.ToggleButton):
        return "check", ("off", "on"), (False, True)
    if isinstance(widget, widgets.FloatLogSlider):
        values = tuple(float(widget.base**exponent) for exponent in _grid(widget.min, widget.max, widget.step))
        return "range", tuple(f"{value:.3g}" for value in values), values
    if isinstance(widget, widgets.FloatSlider | widgets.BoundedFloatText):
        values = _grid(widget.min, widget.max, widget.step)
        digits = max(_decimals(widget.step), _decimals(widget.min))
        return "range", tuple(f"{value:.{digits}f}" for value in values), values
    if isinstance(widget, widgets.Play | widgets.IntSlider | widgets.BoundedIntText):
        steps = tuple(range(widget.min, widget.max + 1, widget.step))
        return "steps" if isinstance(widget, widgets.Play) else "range", tuple(map(str, steps)), steps
    if hasattr(widget, "_options_labels") and hasattr(widget, "index") and not isinstance(widget.index, tuple):
        kind = "range" if isinstance(widget, widgets.SelectionSlider) else "choice"
        return kind, tuple(map(str, widget._options_labels)), tuple(widget._options_values)
    raise TypeError(
        f"control {name!r} has no finite list of positions to draw: {given!r}; "
        "use (min, max, step), a list, a dict, a boolean, or an ipywidgets slider or selection"
    )


def _grid(low: float, high: float, step: float | None) -> tuple[float, ...]:
    """Positions of a float slider, rounded so that 0.1 + 0.2 reads 0.3."""
    step = step or (high - low) / 10
    digits = max(_decimals(step), _decimals(low))
    return tuple(round(low + i * step, digits) for i in range(math.floor((high - low) / step + 1e-9) + 1))


def _decimals(number: float | None) -> int:
    return len(f"{number or 0:.6f}".rstrip("0").partition(".")[2])


def _same(a: Any, b: Any) -> bool:
    """Equality that survives the rounding of floats, and values that are arrays."""
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return a is b or (type(a) is type(b) and bool(np.all(a == b)))


def _check_budget(name: str, controls: Sequence[Control]) -> None:
    count = math.prod(len(control.values) for control in controls)
    if count > BUDGET:
        sizes = " x ".join(f"{control.name} {len(control.values)}" for control in controls)
        widest = max(controls, key=lambda control: len(control.values))
        raise ValueError(
            f"{name} would have {count} positions ({sizes}), more than the {BUDGET} a page can carry; "
            f"give {widest.name!r} fewer, with a larger step or a shorter list"
        )


def default_position(controls: Sequence[Control]) -> tuple[int, ...]:
    """Where each control starts."""
    return tuple(control.default for control in controls)


def all_positions(controls: Sequence[Control]) -> Iterator[tuple[int, ...]]:
    """Every combination; the last control changes fastest, as ``explore.js`` expects."""
    return itertools.product(*(range(len(control.values)) for control in controls))


def arguments(controls: Sequence[Control], position: tuple[int, ...]) -> dict[str, Any]:
    """What the drawing function is called with at a position."""
    return {control.name: control.values[i] for control, i in zip(controls, position, strict=True)}
