"""Record times on this machine, for the figures that show where time goes: utils/recorded/<name>.json.

    python tools/record_times.py              all records
    python tools/record_times.py networks     one of them

The pages draw records, so that two builds agree. Run it on a quiet machine, look at the figures, commit the files.
"""

import json
import platform
import sys
from collections.abc import Callable
from typing import Any

import convolution_race
import torch
from convolution_race import Layer
from threadpoolctl import threadpool_limits
from torch import nn

from utils.cost import parameter_count, trace
from utils.nets.alexnet import alexnet
from utils.nets.googlenet import googlenet
from utils.nets.mobilenet import mobilenet_v1, mobilenet_v2
from utils.nets.resnet import resnet
from utils.nets.vgg import vgg16
from utils.profiling import RECORDED, layer_seconds, median_seconds, operator_seconds

REPEATS = 7
BATCHES = [2**power for power in range(9)]  # 1 to 256
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {  # how to make it, and the side of its pictures
    "AlexNet": (alexnet, 227),
    "VGG-16": (vgg16, 224),
    "GoogLeNet": (googlenet, 224),
    "ResNet-18": (lambda: resnet(18), 224),
    "ResNet-50": (lambda: resnet(50), 224),
    "MobileNet v1": (mobilenet_v1, 224),
    "MobileNet v2": (mobilenet_v2, 224),
}


def networks() -> dict[str, Any]:
    """One picture through each network, on the threads torch takes by default: the whole, its layers, its operators."""
    return {name: _network(make().eval(), side) for name, (make, side) in NETWORKS.items()}


def _network(network: nn.Module, side: int) -> dict[str, Any]:
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    traced = trace(network, picture)
    modules = dict(network.named_modules())

    def run() -> None:
        with torch.inference_mode():
            network(picture)

    layers = [
        {
            "name": name,
            "kind": layer_kind(modules[name]),
            "shape": traced[name].shapes[0],
            "parameters": traced[name].parameters,
            "multiply_adds": traced[name].multiply_adds,
            "milliseconds": round(1000 * seconds, 4),
        }
        for name, seconds in layer_seconds(network, picture, repeats=REPEATS).items()
    ]
    operators = {name: round(1000 * each, 4) for name, each in operator_seconds(network, picture).items()}
    return {
        "parameters": parameter_count(network),
        "multiply_adds": traced[""].multiply_adds,
        "milliseconds": round(1000 * median_seconds(run, repeats=REPEATS), 3),
        "layers": layers,
        "operators": operators,
    }


def roofline() -> dict[str, Any]:
    """The two limits of the machine, and one linear layer at growing batches, which climbs from one to the other.

    A limit is what is reached at best, so these are shortest times and not medians, and the peak is that of the
    faster of two large kernels: no library is the fastest at everything.
    """
    side, vector = 2048, torch.rand(1 << 26)
    square, copy = torch.rand(side, side), torch.empty_like(vector)
    convolution, maps = nn.Conv2d(256, 256, 3, padding=1), torch.rand(1, 256, 56, 56)
    linear = nn.Linear(4096, 4096)
    with torch.inference_mode():
        product = 2 * side**3 / _shortest_seconds(lambda: square @ square)
        convolved = 2 * 9 * 256**2 * 56**2 / _shortest_seconds(lambda: convolution(maps))
        copied = 2 * vector.nbytes / _shortest_seconds(lambda: copy.copy_(vector))
        layers = [{"batch": batch, "milliseconds": _linear_milliseconds(linear, batch)} for batch in BATCHES]
    return {"flops_per_second": round(max(product, convolved)), "bytes_per_second": round(copied), "linear": layers}


def _linear_milliseconds(linear: nn.Linear, batch: int) -> float:
    rows = torch.rand(batch, linear.in_features)
    return round(1000 * _shortest_seconds(lambda: linear(rows)), 4)


def _shortest_seconds(run: Callable[[], Any]) -> float:
    return min(median_seconds(run, repeats=1) for _ in range(2 * REPEATS))


CONVOLUTIONS: dict[str, list[Layer]] = {  # what changes, and the layers along it
    "map size": [Layer(size=size) for size in (14, 28, 56, 112)],
    "channels": [Layer(channels=channels) for channels in (16, 64, 256)],
    "kernel size": [Layer(kernel_size=kernel_size) for kernel_size in (1, 3, 5, 7)],
}


def im2col() -> dict[str, Any]:
    """Time on one thread, and peak memory in a process of its own, of a convolution by loop, by im2col, in torch."""
    ways = ("loop over windows", "im2col", "PyTorch")
    layers = {layer for along in CONVOLUTIONS.values() for layer in along}
    measured = {layer: {way: _convolution(way, layer) for way in ways} for layer in sorted(layers)}
    series = {name: [layer._asdict() | measured[layer] for layer in along] for name, along in CONVOLUTIONS.items()}
    return {"threads": 1, "series": series}


def _convolution(way: str, layer: Layer) -> dict[str, float]:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1):
            seconds = median_seconds(convolution_race.runner(way, layer), repeats=REPEATS)
    finally:
        torch.set_num_threads(threads)
    peak = convolution_race.peak_bytes(way, layer)
    return {"milliseconds": round(1000 * seconds, 4), "megabytes": round(peak / 1e6, 3)}


def layer_kind(module: nn.Module) -> str:
    """What a layer is called in the figures: convolutions are told apart by what they mix.

    >>> layer_kind(nn.Conv2d(8, 8, 3, groups=8)), layer_kind(nn.Conv2d(8, 16, 1)), layer_kind(nn.Conv2d(3, 8, 3))
    ('depthwise', 'pointwise', 'convolution')
    """
    if isinstance(module, nn.Conv2d):
        if module.groups == module.in_channels > 1:
            return "depthwise"
        return "pointwise" if module.kernel_size == (1, 1) else "convolution"
    kinds = {nn.Linear: "linear", nn.BatchNorm2d: "normalization", nn.LocalResponseNorm: "normalization"}
    kinds |= {nn.MaxPool2d: "pooling", nn.AvgPool2d: "pooling", nn.ReLU: "activation", nn.ReLU6: "activation"}
    return kinds.get(type(module), "other")


def machine() -> str:
    """The processor, the threads that torch uses, and its version."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            processor = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    return f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__.split('+')[0]}"


RECORDS: dict[str, Callable[[], dict[str, Any]]] = {"networks": networks, "roofline": roofline, "im2col": im2col}


def main(names: list[str]) -> int:
    """Write the records asked for, or all of them."""
    unknown = sorted(set(names) - set(RECORDS))
    if unknown:
        print(f"no record is called {', '.join(unknown)}; there are: {', '.join(RECORDS)}", file=sys.stderr)
        return 2
    for name in names or RECORDS:
        print(f"recording {name} ...", flush=True)
        path = RECORDED / f"{name}.json"
        record = {"machine": machine(), name: RECORDS[name]()}
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"  wrote {path.relative_to(RECORDED.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
