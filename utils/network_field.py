"""The receptive field of any PyTorch network, twice: read from its layers, and measured with a NaN.

Reading follows the graph that torch.fx records, so the network must run without deciding by its numbers. Networks
count as in evaluation mode. Used first in chapters/convolution/receptive-field.ipynb.
"""

import math
import operator
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from utils.receptive_field import Field, Layer, field_after

# What each output pixel takes from the pixel at its own place alone, and leaves the field as it is.
POINTWISE_LAYERS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.PReLU),
    *(nn.BatchNorm2d, nn.LocalResponseNorm, nn.Dropout, nn.Dropout2d, nn.Identity),
)
POINTWISE_CALLS = {
    *(F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.dropout, F.hardswish, torch.relu, torch.sigmoid),
    *(torch.tanh, torch.add, torch.sub, torch.mul, torch.cat, torch.concat),
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.iadd, operator.imul),
}
POINTWISE_METHODS = {"relu", "relu_", "sigmoid", "tanh", "add", "add_", "mul", "contiguous", "clone"}
# From here on every output depends on the whole picture.
GLOBAL_LAYERS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Flatten, nn.Linear)
GLOBAL_CALLS = {torch.flatten, torch.mean, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.linear}
GLOBAL_METHODS = {"flatten", "mean", "view", "reshape", "size"}


def network_fields(network: nn.Module, *, axis: int = -1) -> dict[str, Field | None]:
    """The `Field` of every layer's output along one axis (-1 columns, -2 rows), by dotted name, in running order.

    None stands for the whole picture, whatever its size: behind a global mean, a flattening or a linear layer.
    Where branches meet, the field is the union: from the first pixel of any branch to the last one.
    `ValueError` names a layer that is not known here, branches of different strides, and a network that
    torch.fx cannot record. Padding by "same" and rounding up (`ceil_mode`) are allowed; the latter moves nothing.

    >>> fields = network_fields(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2)))
    >>> fields["0"], fields["2"].size
    (Field(jump=2, first=-1, last=1), 5)
    """
    try:
        graph = fx.Tracer().trace(network)
    except Exception as error:  # whatever the network's own forward raises when run on symbols
        raise ValueError(f"torch.fx cannot record {type(network).__name__}: {error}") from error
    modules = dict(network.named_modules())
    at: dict[fx.Node, Field | None] = {}
    fields: dict[str, Field | None] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            at[node] = Field()
        elif node.op == "get_attr":
            continue
        else:
            before = [at[each] for each in node.all_input_nodes if each in at]
            layer = modules[str(node.target)] if node.op == "call_module" else None
            name = str(node.target) if layer is not None or node.op == "output" else node.name
            at[node] = fields[name] = _after_node(node, layer, _joined(before, name), name, axis)
    return fields


def last_field(network: nn.Module, *, axis: int = -1) -> Field:
    """The field of the last map before the picture is summed up: what is meant by the field of a classifier.

    >>> last_field(nn.Sequential(nn.Conv2d(3, 8, 5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))).size
    5
    """
    known = [field for field in network_fields(network, axis=axis).values() if field is not None]
    if not known:
        raise ValueError(f"{type(network).__name__} has no layer that sees less than the whole picture")
    return known[-1]


def measured_field(run: Callable[[torch.Tensor], torch.Tensor], picture: torch.Tensor) -> tuple[int, int]:
    """First and last row of `picture` (1, C, H, W) that the middle output of `run` depends on, found with NaN.

    NaN times any weight is NaN, zero included, and ReLU and max pooling pass it on. So the rows above the field
    may all be NaN and the output is still a number; bisection finds where that ends. `run` returns (1, C, h, w).
    `ValueError` where the field reaches the edge of the picture (make it larger) or the output ignores it.

    >>> measured_field(nn.Conv2d(1, 1, 3, dilation=2), torch.zeros(1, 1, 11, 11))     # the middle of 7 outputs is 3
    (3, 7)
    """
    height = picture.shape[2]

    def spoiled(first: int, stop: int) -> bool:
        poked = picture.clone()
        poked[:, :, first:stop] = math.nan
        with torch.no_grad():
            outputs = run(poked)
        return bool(outputs[0, :, outputs.shape[2] // 2, outputs.shape[3] // 2].isnan().any())

    if spoiled(0, 0) or not spoiled(0, height):
        raise ValueError("the middle output must be a number, and depend on the picture")
    if spoiled(0, 1) or spoiled(height - 1, height):
        raise ValueError(f"the field reaches the edge of {height} rows; try a larger picture")
    first = _first_true(lambda row: spoiled(0, row + 1), height)
    last = height - 1 - _first_true(lambda row: spoiled(height - 1 - row, height), height)
    return first, last


def _first_true(test: Callable[[int], bool], count: int) -> int:
    """The first of 0 to count - 1 where a test that never turns back is true."""
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if test(middle) else (middle + 1, high)
    return low


def _after_node(node: fx.Node, layer: nn.Module | None, before: Field | None, name: str, axis: int) -> Field | None:
    if before is None or node.op == "output":
        return before
    if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return field_after(before, _window(layer, axis))
    if isinstance(layer, GLOBAL_LAYERS) or node.target in GLOBAL_CALLS | GLOBAL_METHODS:
        return None
    if isinstance(layer, POINTWISE_LAYERS) or node.target in POINTWISE_CALLS | POINTWISE_METHODS:
        return before
    kind = type(layer).__name__ if layer is not None else getattr(node.target, "__name__", node.target)
    raise ValueError(f"layer {name!r} is a {kind}, whose field is not known here; use a module such as nn.Conv2d")


def _window(layer: nn.Module, axis: int) -> Layer:
    kernel_size, stride = _side(layer.kernel_size, axis), _side(layer.stride, axis)
    dilation = _side(getattr(layer, "dilation", 1), axis)
    padding = {"valid": 0, "same": dilation * (kernel_size - 1) // 2}.get(str(layer.padding))
    return Layer(kernel_size, stride, dilation, _side(layer.padding, axis) if padding is None else padding)


def _side(value: Any, axis: int) -> int:
    return int(value[axis] if isinstance(value, tuple) else value)


def _joined(branches: list[Field | None], name: str) -> Field | None:
    """The union of branches; what knows the whole picture wins."""
    known = [branch for branch in branches if branch is not None]
    if len(known) < len(branches) or not known:
        return None
    if any(a.jump != b.jump for a, b in pairwise(known)):
        raise ValueError(f"branches of different strides meet at {name!r}: {sorted({each.jump for each in known})}")
    return Field(known[0].jump, min(each.first for each in known), max(each.last for each in known))


def window_layers(network: nn.Module) -> Iterator[Layer]:
    """The windows of a network without branches, in the order of its modules.

    >>> list(window_layers(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))))
    [Layer(kernel_size=3, stride=1, dilation=1, padding=1), Layer(kernel_size=2, stride=2, dilation=1, padding=0)]
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            yield _window(module, -1)
