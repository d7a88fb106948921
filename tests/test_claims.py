import json
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils import claims
from utils.claims import MIME_TYPE, claim


@pytest.fixture
def shown(monkeypatch):
    boxes = []
    monkeypatch.setattr(claims, "display", boxes.append)
    return boxes


HOLDS = [
    {"says": 3, "finds": 3},
    {"says": 0.3, "finds": 0.1 + 0.2, "within": 1e-12},
    {"says": 2.0, "finds": 2.5, "within": 0.5},  # the tolerance is inclusive
    {"says": "a", "finds": "a"},
    {"finds": np.True_},
    {"says": [1, 2], "finds": np.array([1.0, 2.0])},
    {"says": (500, 3), "finds": (500, 3)},
    {"finds": 0.5, "at_least": 0.5},
    {"finds": [1, 2, 3], "at_least": 1, "at_most": 3},
    {"finds": [0.4, 0.6], "at_least": 0.3, "seeds": range(2)},
    {"finds": lambda seed: seed + 1, "at_least": 1, "seeds": [0, 1]},
    {"says": [1, 2], "finds": lambda seed: [1, 2], "seeds": range(2)},
    {"says": float("inf"), "finds": float("inf")},
]
FAILS = [
    {"says": 3, "finds": 4},
    {"says": 0.3, "finds": 0.1 + 0.2},  # exact unless a tolerance is named
    {"says": 2.0, "finds": 2.5001, "within": 0.5},
    {"says": True, "finds": 1},  # a number is no truth value
    {"finds": False},
    {"says": [1, 2], "finds": [1, 2, 3]},
    {"says": 1, "finds": [1, 1]},  # no silent broadcasting
    {"says": "1", "finds": 1},
    {"says": float("nan"), "finds": float("nan")},
    {"finds": float("nan"), "at_most": 1},
    {"finds": 0.4999, "at_least": 0.5},
    {"finds": [0.4, 0.2], "at_least": 0.3, "seeds": range(2)},  # one seed is enough
]


@pytest.mark.parametrize("arguments", HOLDS)
def test_true_claim_is_shown(shown, arguments):
    claim("It holds", **arguments)
    assert shown[0].verdict == "confirmed"


@pytest.mark.parametrize("arguments", FAILS)
def test_false_claim_fails(shown, arguments):
    with pytest.raises(AssertionError, match=r"not confirmed: It holds\n  said: .*\n  found: "):
        claim("It holds", **arguments)
    assert shown == []


@pytest.mark.parametrize("arguments", [case for case in FAILS if "seeds" not in case])
def test_refuted_claim_needs_a_failure(shown, arguments):
    claim("It holds", **arguments, verdict="refuted")


@pytest.mark.parametrize("arguments", [*HOLDS, FAILS[-1]])
def test_refuted_claim_fails_on_the_day_it_turns_true(shown, arguments):
    with pytest.raises(AssertionError, match="not refuted"):
        claim("It holds", **arguments, verdict="refuted")


def test_claim_depends_on_both_outcomes(shown):
    claim("It holds", finds={"by day": True, "by night": False}, verdict="depends")
    assert shown[0].finds == "yes by day; no by night"
    with pytest.raises(AssertionError, match="not depends"):
        claim("It holds", finds={"by day": True, "by night": True}, verdict="depends")


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e3))
def test_tolerance_is_absolute(says, finds, within):
    agrees = operator.le(abs(says - finds), within)
    assert claims._agrees(says, finds, within) == agrees


def test_box_tells_what_was_said_and_found(shown):
    claim("Sigma <3> is 1 & more", says=0.5, within=0.1, finds=0.5499999, source="notes 003")
    html = shown[0]._repr_mimebundle_()["text/html"]
    assert "Sigma &lt;3&gt; is 1 &amp; more." in html
    assert "<dd>0.5 ± 0.1</dd>" in html
    assert "<dd>0.55</dd>" in html
    assert "<dd>notes 003</dd>" in html


@pytest.mark.parametrize(
    ("finds", "text"),
    [
        (np.float32(0.25), "0.25"),
        (1 / 3, "0.3333"),
        (153600.4, "153600"),
        (3e9, "3000000000"),
        (3.21e8 + 0.5, "3.21e+08"),
        (2.5e-9, "2.5e-09"),
        (np.array([1.0, 18.65093, 1e-5]), "[1, 18.65, 1e-05]"),
        ([[1, 2], [30, 4]], "[[1, 2], [30, 4]]"),
        ([True, False], "[yes, no]"),
        (["line", "angle"], "[line, angle]"),
        (np.arange(13) / 4, "array 13, 0 to 3"),
        ([], "[]"),
    ],
)
def test_values_are_written_for_readers(finds, text):
    assert claims._text(finds) == text


def test_refutation_shows_the_digit_that_differs(shown):
    claim("Sums are exact", says=0.3, finds=0.1 + 0.2, verdict="refuted")
    assert shown[0].finds == "0.30000000000000004"


@pytest.mark.parametrize(
    ("finds", "text"),
    [
        ([0.25, 0.5, 0.75], "3 seeds: 0.25 to 0.75"),
        ([2.0, 2.0, 2.0], "3 seeds: all 2"),
        ([np.True_, np.True_, np.True_], "3 seeds: all yes"),
    ],
)
def test_seeds_show_their_spread(shown, finds, text):
    claim("x", finds=finds, seeds=range(3), **({} if text.endswith("yes") else {"at_least": 0}))
    assert shown[0].finds == text


def test_outputs_carry_data(shown):
    claim("A window has nine pixels.", says=9, finds=np.int64(9))
    data = json.loads(json.dumps(shown[0]._repr_mimebundle_()[MIME_TYPE]))
    assert data == {
        "statement": "A window has nine pixels",
        "says": "9",
        "finds": "9",
        "verdict": "confirmed",
        "source": "this book",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"finds": 1, "verdict": "true"}, "verdict must be one of confirmed, refuted, depends, got 'true'"),
        ({"finds": 1, "says": 1, "within": -1}, "within must be a finite tolerance"),
        ({"finds": 1, "says": 1, "at_least": 0}, "not both"),
        ({"finds": 1, "verdict": "depends"}, "needs finds={condition: result} with two conditions"),
        ({"finds": {"a": 1, "b": 2}, "seeds": [1, 2], "verdict": "depends"}, "takes no seeds"),
        ({"finds": len}, "give the seeds to call it with"),
        ({"finds": [1], "seeds": [1]}, "at least two"),
        ({"finds": [1, 2, 3], "seeds": [1, 2]}, "one result for each of 2 seeds, got 3"),
    ],
)
def test_unclear_claim_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        claim("It holds", **arguments)


def test_claim_needs_a_sentence():
    with pytest.raises(ValueError, match="needs a sentence"):
        claim(" ", finds=True)
