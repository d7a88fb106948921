"""The race of convolutions: the same numbers in every way, and the memory of a process of its own."""

import convolution_race
import numpy as np
import pytest
import record_times
import torch
from convolution_race import Layer


@pytest.mark.parametrize("way", convolution_race.WAYS)
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_every_way_is_what_torch_computes(way, kernel_size):
    layer = Layer(2, 5, kernel_size, 3)
    x, weight = (torch.from_numpy(each) for each in layer.operands())
    theirs = torch.nn.functional.conv2d(x, weight, padding=kernel_size // 2).numpy()
    ours = convolution_race.runner(way, layer)()
    assert ours.shape[1] == (1 if "one filter" in way else 3)
    np.testing.assert_allclose(ours, theirs[:, : ours.shape[1]], atol=1e-5)


def test_multiply_adds_are_weights_times_places():
    assert Layer().multiply_adds == 115_605_504


def test_peak_memory_grows_by_the_matrix():
    layer = Layer(64, 64, 3, 4)
    matrix = 4 * 9 * 64 * 64 * 64  # bytes
    assert 0.9 * matrix < convolution_race.peak_bytes("im2col", layer) < 2 * matrix
    assert convolution_race.peak_bytes("loop over windows", layer) < 0.5 * matrix


def test_the_record_holds_each_layer_in_each_way(monkeypatch):
    monkeypatch.setattr(record_times, "CONVOLUTIONS", {"channels": [Layer(2, 4, 3, 2)]})
    monkeypatch.setattr(convolution_race, "peak_bytes", lambda way, layer: 3_000_000)
    (layer,) = record_times.im2col()["series"]["channels"]
    assert (layer["channels"], layer["size"], layer["kernel_size"], layer["filters"]) == (2, 4, 3, 2)
    for way in ("loop over windows", "im2col", "PyTorch"):
        assert layer[way]["milliseconds"] > 0
        assert layer[way]["megabytes"] == 3


def test_a_system_without_proc_says_so(monkeypatch):
    monkeypatch.setattr(convolution_race.Path, "exists", lambda path: False)
    with pytest.raises(OSError, match="read from /proc/self/status"):
        convolution_race.peak_bytes("im2col", Layer())
