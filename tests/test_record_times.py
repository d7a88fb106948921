"""`record_times`: what is recorded of a network, and which records there are."""

import json

import pytest
import record_times
import torch
from torch import nn

from utils.profiling import RECORDED


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where records are written, and one small network to record."""
    folder = tmp_path / "utils" / "recorded"
    folder.mkdir(parents=True)
    monkeypatch.setattr(record_times, "RECORDED", folder)
    monkeypatch.setattr(record_times, "NETWORKS", {"small": (small, 8)})
    return folder


def test_a_network_is_recorded_layer_by_layer(folder):
    assert record_times.main(["networks"]) == 0
    record = json.loads((folder / "networks.json").read_text())
    assert f"torch {torch.__version__.split('+')[0]}" in record["machine"]
    network = record["networks"]["small"]
    assert network["multiply_adds"] == 36 * 4 * 27 + 16 * 4 * 9
    assert [layer["kind"] for layer in network["layers"]] == ["convolution", "normalization", "activation", "depthwise"]
    assert all(layer["milliseconds"] > 0 for layer in network["layers"])


def test_an_unknown_record_is_named(folder, capsys):
    assert record_times.main(["phones"]) == 2
    assert "no record is called phones; there are: networks" in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_every_record_is_kept_and_every_file_can_be_recorded_again():
    assert {path.stem for path in RECORDED.glob("*.json")} == set(record_times.RECORDS)
