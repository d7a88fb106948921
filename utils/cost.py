"""What a network costs: shapes, parameters, multiply-adds and floating-point operations, by formula and by running it.

On ``device="meta"`` tensors have shapes and no numbers, so that the largest network is traced in no time.
Used first in chapters/convolution/parameters-and-flops.ipynb.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

# Files of torch.nn whose layers do no products (pooling, activations, ...) or only those that `_products` counts.
KNOWN_FAMILIES = {
    *("activation", "batchnorm", "channelshuffle", "container", "conv", "dropout", "flatten", "fold", "instancenorm"),
    *("linear", "normalization", "padding", "pixelshuffle", "pooling", "sparse", "upsampling"),
}
# Operators of PyTorch that multiply matrices, and which of their arguments is the first matrix.
MATRIX_PRODUCTS = {"mm": 0, "bmm": 0, "mv": 0, "dot": 0, "vdot": 0, "addmm": 1, "baddbmm": 1, "addbmm": 1, "addmv": 1}
# Operators that hide products inside. The norm of a vector is the one of its family that has no sum of products of two.
OPAQUE = re.compile(
    r"rnn|lstm|gru|attention|fft|cdist|trilinear|_mm$|cholesky|triangular|matrix_exp|linalg_(?!vector_norm)"
    r"|(mkldnn|cudnn|miopen)_(?!batch_norm)"
)
# Operations for each value that comes out. Batch normalization is one scale and one shift once training is over.
PER_VALUE: dict[type[nn.Module], int] = {
    **{nn.ReLU: 1, nn.ReLU6: 2, nn.LeakyReLU: 2, nn.Sigmoid: 4},
    **{nn.BatchNorm1d: 2, nn.BatchNorm2d: 2, nn.BatchNorm3d: 2},
    **{nn.Identity: 0, nn.Dropout: 0, nn.Dropout2d: 0, nn.Flatten: 0},
}


class Traced(NamedTuple):
    """One module of a traced network: its output shapes, and the sums over all modules inside it."""

    shapes: list[tuple[int, ...]]  # one for each tensor it returned
    parameters: int
    multiply_adds: int


def conv_parameters(
    in_channels: int, out_channels: int, kernel_size: int | tuple[int, int], *, groups: int = 1, bias: bool = True
) -> int:
    """Weights and biases of a convolution: each filter has a kernel for each channel it reads, and one bias.

    `kernel_size` is a side, or (rows, columns); with `groups` a filter reads in_channels / groups channels.
    `ValueError` for sizes below 1 and for groups that do not divide both numbers of channels.

    >>> conv_parameters(1, 3, 2), conv_parameters(1, 3, 1)
    (15, 6)
    """
    return out_channels * (_taps(in_channels, out_channels, kernel_size, groups) + bias)


def conv_flops(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    out_size: tuple[int, int],
    *,
    groups: int = 1,
    bias: bool = True,
) -> int:
    """Multiplications and additions of a convolution whose output is `out_size` = (H, W), for one image.

    A number that comes out is a sum of n products, n multiplications and n - 1 additions; the bias is one more.
    Products with the zeros of the padding count. The multiply-adds are ``n * out_channels * H * W``.

    >>> conv_flops(1, 1, 3, (3, 3), bias=False)     # (9 + 8) for each of 9 numbers
    153
    """
    taps = _taps(in_channels, out_channels, kernel_size, groups)
    return (2 * taps - 1 + bias) * out_channels * _positive("out_size", *out_size)


def linear_parameters(in_features: int, out_features: int, *, bias: bool = True) -> int:
    """Weights and biases of a fully connected layer: each output has a weight for each input, and one bias.

    >>> linear_parameters(10, 4), linear_parameters(10, 4, bias=False)
    (44, 40)
    """
    return _positive("out_features", out_features) * (_positive("in_features", in_features) + bias)


def linear_flops(in_features: int, out_features: int, *, bias: bool = True) -> int:
    """Multiplications and additions of a fully connected layer, for one row of input.

    >>> linear_flops(10, 4), linear_flops(10, 4, bias=False)
    (80, 76)
    """
    return _positive("out_features", out_features) * (2 * _positive("in_features", in_features) - 1 + bias)


def pool_flops(
    channels: int, kernel_size: int | tuple[int, int], out_size: tuple[int, int], *, kind: str = "max"
) -> int:
    """Operations of pooling for one image: k * k - 1 comparisons a number for "max", so many additions for "sum".

    An "average" is a sum and one multiplication, k * k. Global pooling has a kernel of the size of its input.

    >>> pool_flops(1, 2, (2, 2)), pool_flops(1, 2, (2, 2), kind="average")
    (12, 16)
    """
    if kind not in ("max", "sum", "average"):
        raise ValueError(f"kind must be 'max', 'sum' or 'average', got {kind!r}")
    window = _positive("kernel_size", *_pair(kernel_size))
    return (window - (kind != "average")) * _positive("channels", channels) * _positive("out_size", *out_size)


def trace(network: nn.Module, *inputs: Any) -> dict[str, Traced]:
    """Every module of `network` that ran on `inputs`, by its dotted name, in the order in which they finished.

    The network itself has the name "". Multiply-adds are those of convolutions and matrix products, wherever they
    are called (a layer, ``F.conv2d``, ``@``, einsum, attention), for the whole batch; one multiplication with its
    addition counts as 1, and biases, normalization, activations and products of single numbers count as 0.
    A module that runs twice counts twice and reports its last shapes. Parameters are counted once.
    The network runs in evaluation mode and is left in its own. `ValueError` names a layer of PyTorch that is not
    known here (nn.LSTM), and an operator whose products cannot be seen.

    >>> traced = trace(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 4, 5)), torch.zeros(1, 3, 4, 4))
    >>> traced["0"]                     # 8 * 2 * 2 numbers of 27 products each; 27 weights and a bias a filter
    Traced(shapes=[(1, 8, 2, 2)], parameters=224, multiply_adds=864)
    >>> traced[""].multiply_adds == 864 + 32 * 5
    True
    """
    modules = dict(network.named_modules())
    shapes: dict[str, list[tuple[int, ...]]] = {}
    work = _Products(modules)

    def enter(name: str, _: Any) -> None:
        _check_known(name, modules[name])
        work.running.append(name)

    def leave(name: str, _: Any, output: Any) -> None:
        work.running.pop()
        shapes[name] = _shapes_of(output)

    with _watched(network, enter, leave), work:
        network(*inputs)
    counts: Counter[str] = Counter()
    for name, count in work.counts.items():
        for prefix in _prefixes(name):
            counts[prefix] += count
    return {name: Traced(shapes[name], parameter_count(modules[name]), counts[name]) for name in shapes}


def parameter_count(network: nn.Module) -> int:
    """Numbers that training changes; running statistics of batch normalization are not among them.

    >>> parameter_count(nn.Conv2d(3, 64, 7)), parameter_count(nn.BatchNorm2d(64))
    (9472, 128)
    """
    return sum(parameter.numel() for parameter in network.parameters())


def flops(network: nn.Module, *inputs: Any) -> dict[str, int]:
    """Floating-point operations of each layer with no layers inside, by dotted name, in running order, for the batch.

    One for each multiplication, addition, comparison, division and exponential of the textbook loop: n products
    cost 2n - 1, with a bias 2n; ReLU 1, sigmoid 4, batch normalization 2 a value; pooling as in `pool_flops`.
    What the network does between its layers (``F.relu``, the sum of a residual block) is in none.
    `ValueError` names a layer without a rule, and a module that multiplies outside its layers.

    >>> flops(nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.ReLU()), torch.zeros(1, 1, 5, 5))
    {'0': 153, '1': 9}
    """
    traced, counts = trace(network, *inputs), Counter[str]()
    modules = dict(network.named_modules())
    leaves = [name for name in traced if not any(modules[name].children())]
    between = traced[""].multiply_adds - sum(traced[name].multiply_adds for name in leaves)
    if between:
        raise ValueError(f"{between} multiply-adds happen outside the layers of {type(network).__name__}; see trace()")

    def leave(name: str, arguments: Any, output: Any) -> None:
        if name in leaves:
            counts[name] += _values_work(name, modules[name], arguments, output)

    with _watched(network, lambda *_: None, leave):
        network(*inputs)
    return {name: 2 * traced[name].multiply_adds + counts[name] for name in leaves}


class Counted(float):
    """A number that keeps count of what is done with it, in ``Counted.done``: what a formula is checked against.

    >>> Counted.done.clear()
    >>> Counted(2) * 3 + 1, dict(Counted.done)
    (7.0, {'*': 1, '+': 1})
    """

    done: ClassVar[Counter[str]] = Counter()

    def __add__(self, other: float) -> "Counted":
        return self._count("+", float(self) + float(other))

    def __mul__(self, other: float) -> "Counted":
        return self._count("*", float(self) * float(other))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Counted":
        return self._count("-", -float(self))

    def __rtruediv__(self, other: float) -> "Counted":
        return self._count("/", float(other) / float(self))

    def __gt__(self, other: float) -> bool:
        self._count(">", 0.0)
        return float(self) > float(other)

    def exp(self) -> "Counted":
        """The exponential, as one operation."""
        return self._count("exp", math.exp(self))

    def _count(self, operation: str, result: float) -> "Counted":
        self.done[operation] += 1
        return Counted(result)


def operations(run: Callable[[], Any]) -> int:
    """How many operations on `Counted` numbers `run` does.

    >>> operations(lambda: max(Counted(value) for value in (3, 1, 4, 1)))
    3
    """
    Counted.done.clear()
    run()
    return Counted.done.total()


class _Products(TorchDispatchMode):
    """Counts the multiply-adds of every operator that PyTorch runs, for the innermost module that is running."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        self.modules = modules
        self.running = [""]
        self.counts: Counter[str] = Counter()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and the base class would load PyTorch's compiler to be safe: a second or more."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        operator = func.overloadpacket.__name__
        count = _products(operator, args, output)
        if count is None and (func.namespace not in ("aten", "prim") or OPAQUE.search(operator)):
            raise ValueError(
                f"{_named(self.running[-1], self.modules)} runs {func.namespace}::{operator}, whose products cannot be "
                "seen; write it with matrix products, or count it apart and put nn.Identity in its place"
            )
        self.counts[self.running[-1]] += count or 0
        return output


def _products(operator: str, args: Any, output: Any) -> int | None:
    """Multiply-adds of one operator, or None for one that is not a convolution or matrix product."""
    if operator in MATRIX_PRODUCTS:
        first, second = args[MATRIX_PRODUCTS[operator] :][:2]
        return int(first.numel()) * (int(second.shape[-1]) if second.dim() > 1 else 1)
    if operator == "convolution":
        inputs, weight, transposed = args[0], args[1], args[6]
        return int((inputs if transposed else output).numel()) * prod(weight.shape[1:])
    if re.fullmatch(r"_scaled_dot_product_(flash|efficient|cudnn)_attention(_for_cpu)?", operator):
        query, key, value = args[:3]
        return prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])
    return None


def _values_work(name: str, layer: nn.Module, arguments: Any, output: Any) -> int:
    """Operations of a layer beyond twice its multiply-adds."""
    if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
        return 0 if layer.bias is not None else -int(output.numel())  # the first product of a sum is added to nothing
    if isinstance(layer, nn.MaxPool2d | nn.AdaptiveMaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d):
        (height, width), (rows, columns) = arguments[0].shape[-2:], output.shape[-2:]
        adaptive = isinstance(layer, nn.AdaptiveMaxPool2d | nn.AdaptiveAvgPool2d)
        window: Any = (-(-height // rows), -(-width // columns)) if adaptive else layer.kernel_size
        kind = "max" if isinstance(layer, nn.MaxPool2d | nn.AdaptiveMaxPool2d) else "average"
        return pool_flops(prod(output.shape[:-2]), window, (rows, columns), kind=kind)
    if isinstance(layer, nn.LocalResponseNorm):
        return int(output.numel()) * (2 * layer.size + 3)  # squares and their sum, scale, shift, power, division
    if type(layer) not in PER_VALUE:
        raise ValueError(f"no rule for the operations of layer {name!r}, a {type(layer).__name__}; trace() needs none")
    return PER_VALUE[type(layer)] * int(output.numel())


@contextmanager
def _watched(network: nn.Module, enter: Callable[..., None], leave: Callable[..., None]) -> Iterator[None]:
    """Evaluation mode without gradients, and the two functions called with the name of each module that runs."""

    def hooks_for(name: str, module: nn.Module) -> Iterator[Any]:
        yield module.register_forward_pre_hook(lambda _, arguments: enter(name, arguments))
        yield module.register_forward_hook(lambda _, arguments, output: leave(name, arguments, output))

    hooks = [hook for name, module in network.named_modules() for hook in hooks_for(name, module)]
    training = [module for module in network.modules() if module.training]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one opaque operator in place of an attention
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for module in training:
            module.training = True
        for hook in hooks:
            hook.remove()


def _check_known(name: str, module: nn.Module) -> None:
    """A layer of PyTorch's own that is not known here; what others wrote is judged by the operators it runs."""
    *package, family = type(module).__module__.split(".")
    if package[:1] == ["torch"] and not any(module.children()) and family not in KNOWN_FAMILIES:
        raise ValueError(
            f"{_named(name, {name: module})} is not counted here; convolutions, linear layers, activations, "
            "normalization and pooling are: count it apart and put nn.Identity in its place"
        )


def _named(name: str, modules: dict[str, nn.Module]) -> str:
    return f"layer {name!r} ({type(modules[name]).__name__})" if name else f"the network ({type(modules['']).__name__})"


def _taps(in_channels: int, out_channels: int, kernel_size: int | tuple[int, int], groups: int) -> int:
    """Products in one number that a convolution gives."""
    _positive("in_channels, out_channels and groups", in_channels, out_channels, groups)
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"groups must divide {in_channels} and {out_channels} channels, got {groups}")
    return _positive("kernel_size", *_pair(kernel_size)) * in_channels // groups


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _positive(what: str, *values: int) -> int:
    """The product of whole numbers above 0."""
    if not all(isinstance(value, int) and value >= 1 for value in values):
        raise ValueError(f"{what} must be whole and at least 1, got {', '.join(map(str, values))}")
    return prod(values)


def _prefixes(name: str) -> list[str]:
    """The name of a module, those of all modules around it, and "" for the whole."""
    parts = name.split(".") if name else []
    return [".".join(parts[:count]) for count in range(len(parts) + 1)]


def _shapes_of(output: Any) -> list[tuple[int, ...]]:
    if isinstance(output, torch.Tensor):
        return [tuple(output.shape)]
    if isinstance(output, dict):
        output = list(output.values())
    return [shape for part in output for shape in _shapes_of(part)] if isinstance(output, list | tuple) else []
