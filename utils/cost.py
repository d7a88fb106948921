"""What a network does to its input: shapes, parameters and multiply-adds, counted by running it.

On ``device="meta"`` tensors have shapes and no numbers, so that the largest network is traced in no time.
Used first in chapters/detection/detectors.ipynb.
"""

from typing import Any, NamedTuple

import torch
from torch import nn


class Traced(NamedTuple):
    """One module of a traced network: its output shapes, and the sums over all modules inside it."""

    shapes: list[tuple[int, ...]]  # one for each tensor it returned
    parameters: int
    multiply_adds: int


def trace(network: nn.Module, *inputs: Any) -> dict[str, Traced]:
    """Every module of `network` that ran on `inputs`, by its dotted name, in the order in which they finished.

    The network itself has the name "". Multiply-adds are those of convolutions and linear layers, for the whole
    batch; one multiplication with its addition counts as 1, and biases, normalization and activations count as 0.
    A module that runs twice counts twice and reports its last shapes. Parameters are counted once.

    >>> traced = trace(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 4, 5)), torch.zeros(1, 3, 4, 4))
    >>> traced["0"]                     # 8 * 2 * 2 numbers of 27 products each; 27 weights and a bias a filter
    Traced(shapes=[(1, 8, 2, 2)], parameters=224, multiply_adds=864)
    >>> traced[""].multiply_adds == 864 + 32 * 5
    True
    """
    shapes: dict[str, list[tuple[int, ...]]] = {}
    counts: dict[str, int] = {}

    def record(name: str, module: nn.Module, output: Any) -> None:
        shapes[name] = _shapes_of(output)
        work = _multiply_adds(module, output)
        for prefix in _prefixes(name) if work else ():
            counts[prefix] = counts.get(prefix, 0) + work

    def hook_for(name: str) -> Any:
        return lambda module, _, output: record(name, module, output)

    hooks = [module.register_forward_hook(hook_for(name)) for name, module in network.named_modules()]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    modules = dict(network.named_modules())
    return {name: Traced(shapes[name], parameter_count(modules[name]), counts.get(name, 0)) for name in shapes}


def parameter_count(network: nn.Module) -> int:
    """Numbers that training changes; running statistics of batch normalization are not among them.

    >>> parameter_count(nn.Conv2d(3, 64, 7)), parameter_count(nn.BatchNorm2d(64))
    (9472, 128)
    """
    return sum(parameter.numel() for parameter in network.parameters())


def _multiply_adds(module: nn.Module, output: Any) -> int:
    if isinstance(module, nn.Conv2d):
        taps = module.kernel_size[0] * module.kernel_size[1] * module.in_channels // module.groups
        return int(output.numel()) * taps
    if isinstance(module, nn.Linear):
        return int(output.numel()) * module.in_features
    return 0


def _prefixes(name: str) -> list[str]:
    """The name of a module, those of all modules around it, and "" for the whole."""
    parts = name.split(".") if name else []
    return [".".join(parts[:count]) for count in range(len(parts) + 1)]


def _shapes_of(output: Any) -> list[tuple[int, ...]]:
    if isinstance(output, torch.Tensor):
        return [tuple(output.shape)]
    return [shape for part in output for shape in _shapes_of(part)]
