"""`tools/record_times.py`: what it writes, and that the committed records are of the form it writes."""

import json

import pytest
import record_times
import torch
from torch import nn

from utils.cost import trace
from utils.profiling import RECORDED, recorded


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.Conv2d(1, 8, 3), "convolution"),  # one channel in, but one group
        (nn.Conv2d(8, 16, 3, groups=2), "convolution"),
        (nn.Conv2d(8, 16, 3, groups=8), "depthwise"),
        (nn.Conv2d(8, 16, 1), "pointwise"),
        (nn.LocalResponseNorm(5), "normalization"),
        (nn.ReLU6(), "activation"),
        (nn.Identity(), "other"),
    ],
)
def test_kinds_tell_convolutions_apart(module, kind):
    assert record_times.layer_kind(module) == kind


def test_the_record_of_a_network_holds_its_counts_and_layers():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    record = record_times._network(network, 8)
    assert record["multiply_adds"] == 4 * 36 * 27
    assert [layer["kind"] for layer in record["layers"]] == ["convolution", "activation"]
    assert record["layers"][0]["shape"] == (1, 4, 6, 6)


def test_main_writes_the_record_asked_for_and_refuses_others(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(record_times, "RECORDED", tmp_path / "recorded")
    (tmp_path / "recorded").mkdir()
    monkeypatch.setattr(record_times, "RECORDS", {"one": lambda: {"x": 1}, "two": dict})
    assert record_times.main(["three"]) == 2
    assert "no record is called three; there are: one, two" in capsys.readouterr().err
    assert record_times.main(["one"]) == 0
    assert [path.name for path in (tmp_path / "recorded").iterdir()] == ["one.json"]
    assert json.loads((tmp_path / "recorded" / "one.json").read_text())["one"] == {"x": 1}


@pytest.mark.parametrize("name", record_times.RECORDS)
def test_every_record_is_committed(name):
    assert set(recorded(name)) == {"machine", name}


def test_every_file_can_be_recorded_again():
    assert {path.stem for path in RECORDED.glob("*.json")} == set(record_times.RECORDS)


@pytest.mark.parametrize("name", record_times.NETWORKS)
def test_recorded_counts_are_still_those_of_the_network(name):
    make, side = record_times.NETWORKS[name]
    with torch.device("meta"):
        traced = trace(make().eval(), torch.zeros(1, 3, side, side))
    record = recorded("networks")["networks"][name]
    assert record["multiply_adds"] == traced[""].multiply_adds
    counts = {layer["name"]: layer["multiply_adds"] for layer in record["layers"]}
    assert counts == {layer: traced[layer].multiply_adds for layer in counts}


def test_the_recorded_roof_has_both_limits_and_all_batches():
    roof = recorded("roofline")["roofline"]
    assert roof["flops_per_second"] > roof["bytes_per_second"] > 0
    assert [each["batch"] for each in roof["linear"]] == record_times.BATCHES
