from types import SimpleNamespace

import bench_algorithms
import numpy as np
import pytest
from bench_algorithms import Contest, Result
from convolution_race import Layer


def test_ratio_is_that_to_the_fastest_library():
    result = Result(3.0, {"slow": 6.0, "fast": 1.5})
    assert (result.fastest, result.ratio) == ("fast", 2.0)


def test_measured_are_medians_without_the_first_turn(monkeypatch):
    clock, naps = [0.0], iter([100.0, 1.0, 5.0, 3.0])
    monkeypatch.setattr(bench_algorithms, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def run():
        clock[0] += next(naps)

    assert bench_algorithms.measure(Contest("nap", run, {"none": lambda: None}), turns=3) == (3.0, {"none": 0.0})


def test_a_run_that_does_a_part_counts_as_often_as_the_whole_takes(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(bench_algorithms, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def run():
        clock[0] += 2.0

    contest = Contest("part", lambda: None, {"one of 3": run}, repeats={"one of 3": 3})
    assert bench_algorithms.measure(contest, turns=1) == (0.0, {"one of 3": 6.0})


def test_every_way_to_convolve_gives_the_same_maps():
    contest = bench_algorithms.convolution(Layer(3, 6, 3, 4))
    for way, run in contest.others.items():
        whole = contest.ours()[:, : 1 if way in contest.repeats else None]
        np.testing.assert_allclose(run(), whole, rtol=1e-4, atol=1e-4)
    assert list(contest.repeats.values()) == [4]


def test_peak_memory_sees_what_was_freed_again():
    assert bench_algorithms.peak_memory(lambda: np.ones(1_000_000).sum()) >= 8_000_000


@pytest.mark.parametrize(
    "contest", [bench_algorithms.overlap(50), bench_algorithms.suppression(80)], ids=["iou", "nms"]
)
def test_both_sides_solve_the_same_task(contest):
    (theirs,) = contest.others.values()
    np.testing.assert_allclose(contest.ours(), theirs(), atol=1e-12)


def test_both_sides_evaluate_the_same_detections():
    contest = bench_algorithms.evaluation(400)
    ours = contest.ours().mean()
    assert 0.1 < ours < 0.9
    assert ours == pytest.approx(contest.others["pycocotools"](), abs=1e-12)
