"""`claim`: a sentence of the book that fails, and the build with it, on the day it stops being true."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from html import escape
from typing import Any

import numpy as np
from IPython.display import display

VERDICTS = {"confirmed": "Confirmed", "refuted": "Refuted", "depends": "It depends"}
MIME_TYPE = "application/vnd.answers-that-run.claim+json"


@dataclass(frozen=True)
class Claim:
    """A checked claim: a box on the page, a line in a terminal, and data for *Claims on trial* in the outputs."""

    statement: str
    says: str
    finds: str
    verdict: str
    source: str

    @property
    def anchor(self) -> str:
        """Its address on the page: the same as long as the sentence is the same."""
        return f"claim-{sha256(self.statement.encode()).hexdigest()[:8]}"

    def __repr__(self) -> str:
        rest = " ".join(f"{name}: {text}." for name, text in self._rows())
        return f"{VERDICTS[self.verdict]}: {self.statement}. {rest}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self._html(), MIME_TYPE: asdict(self)}

    def _rows(self) -> tuple[tuple[str, str], ...]:
        return ("Said", self.says), ("Found", self.finds), ("Source", self.source)

    def _html(self) -> str:
        verdict = VERDICTS[self.verdict]
        terms = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in self._rows())
        return (
            f'<div class="claim claim-{self.verdict}" id="{self.anchor}"'
            f' role="note" aria-label="Claim: {verdict.lower()}">'
            f'<p><strong class="claim-verdict">{verdict}</strong> {escape(self.statement)}.</p><dl>{terms}</dl></div>'
        )


def claim(
    statement: str,
    *,
    finds: Any,
    says: Any = True,
    within: float = 0.0,
    at_least: float | None = None,
    at_most: float | None = None,
    seeds: Sequence[int] | None = None,
    verdict: str = "confirmed",
    source: str = "this book",
) -> None:
    """Check `statement`, raise `AssertionError` where its verdict does not hold, and show it.

    `says` is what the statement asserts and `finds` what was computed: numbers, strings, booleans, or arrays of one
    shape, equal elementwise up to `within` (absolute, and inclusive). `at_least` and `at_most`, inclusive too,
    assert an inequality in place of `says`. NaN agrees with nothing.

    With `seeds`, `finds` is a function of the seed or a sequence with one result for each seed, and the verdict
    must hold on every one. ``verdict="refuted"`` demands that the statement fails; ``"depends"`` takes `finds` as
    a dict from condition to result, and demands that it holds under one condition and fails under another.

    >>> claim("A 3x3 window has nine pixels", says=9, finds=3 * 3)
    Confirmed: A 3x3 window has nine pixels. Said: 9. Found: 9. Source: this book.
    >>> claim("Rounding is exact", says=0.3, finds=0.1 + 0.2, verdict="refuted")
    Refuted: Rounding is exact. Said: 0.3. Found: 0.30000000000000004. Source: this book.
    """
    _check_arguments(statement, says, finds, within, at_least, at_most, seeds, verdict)
    if callable(finds):
        finds = [finds(seed) for seed in seeds or ()]

    def holds(result: Any) -> bool:
        if at_least is None and at_most is None:
            return _agrees(says, result, within)
        low, high = (-np.inf if at_least is None else at_least), (np.inf if at_most is None else at_most)
        return bool(np.all((np.asarray(result) >= low) & (np.asarray(result) <= high)))

    said, found = _said(says, within, at_least, at_most), _found(finds, seeds, verdict)
    if verdict == "refuted" and said == found:
        found = repr(finds)  # rounding for the eye must not hide the difference
    results = list(finds.values()) if verdict == "depends" else list(finds) if seeds is not None else [finds]
    outcomes = [holds(result) for result in results]
    expected = {"confirmed": all(outcomes), "refuted": not any(outcomes), "depends": len(set(outcomes)) == 2}
    if not expected[verdict]:
        raise AssertionError(f"not {verdict}: {statement}\n  said:  {said}\n  found: {found}")
    display(Claim(statement.rstrip("."), said, found, verdict, source))


def _check_arguments(
    statement: str,
    says: Any,
    finds: Any,
    within: float,
    at_least: float | None,
    at_most: float | None,
    seeds: Sequence[int] | None,
    verdict: str,
) -> None:
    if not isinstance(statement, str) or not statement.strip():
        raise ValueError(f"a claim needs a sentence, got {statement!r}")
    if verdict not in VERDICTS:
        raise ValueError(f"verdict must be one of {', '.join(VERDICTS)}, got {verdict!r}")
    if not (np.isfinite(within) and within >= 0):
        raise ValueError(f"within must be a finite tolerance of at least 0, got {within!r}")
    if (at_least is not None or at_most is not None) and (says is not True or within):
        raise ValueError("give says (with within) or an inequality (at_least, at_most), not both")
    if verdict == "depends" and not (isinstance(finds, Mapping) and len(finds) >= 2):
        raise ValueError(f"a claim that depends needs finds={{condition: result}} with two conditions, got {finds!r}")
    if verdict == "depends" and seeds is not None:
        raise ValueError("a claim that depends takes no seeds; put the worst result of each condition into finds")
    if callable(finds) and seeds is None:
        raise ValueError("finds is a function; give the seeds to call it with, or call it")
    if seeds is not None and len(seeds) < 2:
        raise ValueError(f"a claim over seeds needs at least two of them, got {list(seeds)}")
    if seeds is not None and not callable(finds) and len(finds) != len(seeds):
        raise ValueError(f"expected one result for each of {len(seeds)} seeds, got {len(finds)}")


def _agrees(says: Any, finds: Any, within: float) -> bool:
    says, finds = np.asarray(says), np.asarray(finds)
    if says.shape != finds.shape:
        return False
    if says.dtype.kind in "iufc" and finds.dtype.kind in "iufc":
        # No relative tolerance: nobody stated one.
        return bool(np.all(np.isclose(finds, says, rtol=0, atol=within)))
    return says.dtype.kind == finds.dtype.kind and bool(np.all(says == finds))


def _said(says: Any, within: float, at_least: float | None, at_most: float | None) -> str:
    bounds = [f"at least {_text(at_least)}"] if at_least is not None else []
    bounds += [f"at most {_text(at_most)}"] if at_most is not None else []
    return " and ".join(bounds) or _text(says) + (f" ± {within:g}" if within else "")


def _found(finds: Any, seeds: Sequence[int] | None, verdict: str) -> str:
    if verdict == "depends":
        return "; ".join(f"{_text(result)} {condition}" for condition, result in finds.items())
    if seeds is None:
        return _text(finds)
    count = f"{len(seeds)} seeds: "
    results = np.asarray(finds)
    if results.dtype.kind in "iuf" and results.min() != results.max():
        return f"{count}{_text(results.min())} to {_text(results.max())}"
    return count + ("all " + _text(finds[0]) if len({_text(result) for result in finds}) == 1 else _text(finds))


def _text(value: Any) -> str:
    """A value as a reader wants to see it: yes and no for booleans, four digits, long arrays by shape and range."""
    array = np.asarray(value)
    if array.ndim and array.size > 12:
        return f"array {' x '.join(map(str, array.shape))}, {_text(array.min())} to {_text(array.max())}"
    if array.ndim:
        return f"[{', '.join(map(_text, array))}]"
    if array.dtype.kind == "b":
        return "yes" if value else "no"
    if array.dtype.kind == "f":
        number = float(value)
        is_written_out = 1e4 <= abs(number) < (1e12 if number.is_integer() else 1e7)
        return f"{number:.0f}" if is_written_out else f"{number:.4g}"
    return str(value)
