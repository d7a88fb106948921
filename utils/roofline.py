"""Work and traffic of layers, and the speed that a roofline lets them reach (Williams, Waterman and Patterson, 2009).

Used first in chapters/convolution/cost-and-time.ipynb.
"""

from typing import Any, NamedTuple

import torch
from torch import nn

_VIEWS = nn.Identity, nn.Dropout, nn.Flatten  # in evaluation mode they hand on what they got


class LayerWork(NamedTuple):
    """Arithmetic of one layer, and the bytes it has to move."""

    flops: int
    bytes_moved: int

    @property
    def intensity(self) -> float:
        """FLOPs for each byte moved; 0 where nothing is computed."""
        return self.flops / self.bytes_moved if self.flops else 0.0


def layer_work(network: nn.Module, *inputs: Any) -> dict[str, LayerWork]:
    """FLOPs and bytes of each layer that has no layers inside, by dotted name, in evaluation mode.

    A multiply-add counts as 2 FLOPs, batch normalization as 2 for each output, a ReLU as 1, pooling as 1 for each
    value in a window; other layers count as 0. Bytes are those of inputs, weights and outputs, each moved once: the
    least that a layer run by itself can move. A layer that runs twice counts twice. Runs on ``device="meta"`` too.

    >>> layer_work(nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU()), torch.zeros(2, 4))
    {'0': LayerWork(flops=48, bytes_moved=104), '1': LayerWork(flops=6, bytes_moved=48)}
    """
    work: dict[str, LayerWork] = {}

    def hook_for(name: str) -> Any:
        def add(module: nn.Module, given: tuple[Any, ...], output: torch.Tensor) -> None:
            flops, moved = work.get(name, (0, 0))
            work[name] = LayerWork(flops + _flops(module, output), moved + _bytes_moved(module, given, output))

        return add

    leaves = {name: module for name, module in network.named_modules() if not list(module.children())}
    hooks = [module.register_forward_hook(hook_for(name)) for name, module in leaves.items()]
    training = network.training
    try:
        with torch.inference_mode():
            network.eval()(*inputs)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return work


def attainable_speed(intensity: float, peak: float, bandwidth: float) -> float:
    """FLOPs a second that work of an intensity can reach: the peak, or what memory can feed if that is less.

    `intensity` is in FLOPs for each byte, `peak` in FLOPs a second, `bandwidth` in bytes a second. At the ridge,
    where `intensity` is `peak / bandwidth`, both limits meet.

    >>> attainable_speed(2, peak=100, bandwidth=10), attainable_speed(50, peak=100, bandwidth=10)
    (20, 100)
    """
    _check_machine(peak, bandwidth)
    if not intensity >= 0:
        raise ValueError(f"intensity must be at least 0 FLOPs for each byte, got {intensity}")
    return min(peak, bandwidth * intensity)


def least_seconds(work: LayerWork, peak: float, bandwidth: float) -> float:
    """Seconds below which no layer of this work can stay: those of its FLOPs or of its bytes, whichever is longer.

    >>> least_seconds(LayerWork(flops=200, bytes_moved=100), peak=100, bandwidth=10)
    10.0
    """
    _check_machine(peak, bandwidth)
    return max(work.flops / peak, work.bytes_moved / bandwidth)


def _check_machine(peak: float, bandwidth: float) -> None:
    if not (peak > 0 and bandwidth > 0):
        raise ValueError(f"peak and bandwidth must be above 0, got {peak} and {bandwidth}")


def _flops(module: nn.Module, output: torch.Tensor) -> int:
    return output.numel() * _flops_per_output(module)


def _flops_per_output(module: nn.Module) -> int:
    if isinstance(module, nn.Conv2d):
        return 2 * module.kernel_size[0] * module.kernel_size[1] * module.in_channels // module.groups
    if isinstance(module, nn.Linear):
        return 2 * module.in_features
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        height, width = (module.kernel_size,) * 2 if isinstance(module.kernel_size, int) else module.kernel_size
        return height * width
    # In evaluation mode batch normalization is one factor and one summand for each channel.
    return 2 if isinstance(module, nn.BatchNorm2d) else int(isinstance(module, nn.ReLU | nn.ReLU6))


def _bytes_moved(module: nn.Module, given: tuple[Any, ...], output: torch.Tensor) -> int:
    if isinstance(module, _VIEWS):
        return 0
    tensors = [each for each in given if isinstance(each, torch.Tensor)]
    tensors += [output, *module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
