"""What one output of a stack of convolutions sees: how far, which pixels, along how many paths.

All kernels are square and treat both axes alike, so the picture of an axis tells everything: a pixel at
(row, col) is reached by as many paths as its row times as many as its column. Layers are listed from input to
output. Padding changes no size here: it moves the field over the edge of the picture, and `layer_fields` says how far.
"""

from collections.abc import Iterable, Sequence
from math import prod
from operator import index
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Layer(NamedTuple):
    """A convolution or pooling layer, as far as its receptive field goes. A plain tuple does as well.

    >>> Layer(3, dilation=2) == (3, 1, 2, 0)
    True
    """

    kernel_size: int
    stride: int = 1
    dilation: int = 1
    padding: int = 0  # on each side


class Field(NamedTuple):
    """The input pixels that a map sees, along one axis: its output i sees `first` + i * jump to `last` + i * jump.

    Both ends are inside. Pixels below 0, or beyond the picture, are padding.

    >>> Field(jump=2, first=-3, last=3).size, Field(jump=2, first=-3, last=4).center
    (7, 0.5)
    """

    jump: int = 1
    first: int = 0
    last: int = 0

    @property
    def size(self) -> int:
        """Pixels from first to last: the receptive field."""
        return self.last - self.first + 1

    @property
    def center(self) -> float:
        """Middle of the field of output 0: the start offset."""
        return (self.first + self.last) / 2


class Row(NamedTuple):
    """One line of `field_table`: outputs along an axis, their distance in input pixels, the first centre, the field."""

    size: int
    jump: int
    center: float
    field: int


LayerLike = Layer | tuple[int, ...]


def receptive_field(layers: Iterable[LayerLike]) -> int:
    """Side of the square of input pixels that one output may depend on, holes included.

    A layer is (kernel_size, stride, dilation), the last two 1 if left out (and a padding, which
    changes nothing here). It adds
    ``dilation * (kernel_size - 1)`` steps, and a step at its input is the product of the
    strides before it. No layer at all sees 1 pixel.

    >>> receptive_field([(3, 1, 2)]), receptive_field([(3, 1, 4)])     # 2 * rate + 1
    (5, 9)
    >>> receptive_field([(3, 1, 1), (3, 1, 2), (3, 1, 4)])     # Yu and Koltun 2016
    15
    >>> receptive_field([(3, 2), (3, 1)])     # a stride widens the layers after it
    7
    """
    size, step = 1, 1
    for kernel_size, stride, dilation, _ in _checked(layers):
        size += dilation * (kernel_size - 1) * step
        step *= stride
    return size


def receptive_field_backward(layers: Iterable[LayerLike]) -> int:
    """The same number, from the last layer to the first: n outputs need (n - 1) * stride + span inputs.

    >>> receptive_field_backward([(3, 2), (3, 1)])     # 1 output, then 3, then 7
    7
    """
    size = 1
    for kernel_size, stride, dilation, _ in reversed(_checked(layers)):
        size = (size - 1) * stride + dilation * (kernel_size - 1) + 1
    return size


def layer_fields(layers: Iterable[LayerLike]) -> list[Field]:
    """The `Field` of the input, then of each layer's output.

    >>> layer_fields([(7, 2, 1, 3), (3, 2, 1, 1)])     # the stem of a ResNet
    [Field(jump=1, first=0, last=0), Field(jump=2, first=-3, last=3), Field(jump=4, first=-5, last=5)]
    """
    fields = [Field()]
    for layer in _checked(layers):
        fields.append(field_after(fields[-1], layer))
    return fields


def field_after(field: Field, layer: Layer) -> Field:
    """The field behind a layer whose input has `field`: padding moves it, the span widens it, the stride the jump.

    >>> field_after(Field(jump=2), Layer(3, stride=2, padding=1))
    Field(jump=4, first=-2, last=2)
    """
    first = field.first - layer.padding * field.jump
    last = field.last + (layer.dilation * (layer.kernel_size - 1) - layer.padding) * field.jump
    return Field(field.jump * layer.stride, first, last)


def field_table(layers: Iterable[LayerLike], input_size: int) -> list[Row]:
    """Size, jump, first centre and field of the input and of each layer's output; the size is rounded down.

    `ValueError` where a layer finds no place on its input.

    >>> for row in field_table([(7, 2, 1, 3), (3, 2, 1, 1)], 224):
    ...     print(tuple(row))
    (224, 1, 0.0, 1)
    (112, 2, 0.0, 7)
    (56, 4, 0.0, 11)
    """
    stack = _checked(layers)
    sizes = [_whole("input_size", input_size)]
    for number, (kernel_size, stride, dilation, padding) in enumerate(stack):
        room = sizes[-1] + 2 * padding - dilation * (kernel_size - 1) - 1
        if room < 0:
            raise ValueError(f"layer {number} spans more than its input of {sizes[-1]} pixels with padding {padding}")
        sizes.append(room // stride + 1)
    return [Row(n, f.jump, f.center, f.size) for n, f in zip(sizes, layer_fields(stack), strict=True)]


def path_counts(layers: Iterable[LayerLike]) -> NDArray[np.int64]:
    """Number of paths from each pixel of the receptive field to one output; holes are 0.

    It is the gradient of the output when every weight is 1, so the counts sum to the
    product of the numbers of taps. `ValueError` where 64 bits do not hold them.

    >>> path_counts([(3, 1, 2)])
    array([[1, 0, 1, 0, 1],
           [0, 0, 0, 0, 0],
           [1, 0, 1, 0, 1],
           [0, 0, 0, 0, 0],
           [1, 0, 1, 0, 1]])
    >>> path_counts([(3,), (3,)])[2]     # the row through the centre
    array([3, 6, 9, 6, 3])
    """
    stack = _checked(layers)
    if prod(layer.kernel_size for layer in stack) ** 2 > np.iinfo(np.int64).max:
        raise ValueError(f"{len(stack)} layers have too many paths for 64 bits; try touched_pixels")
    axis = np.ones(1, dtype=np.int64)
    for layer in reversed(stack):
        axis = _backwards(axis, layer)
    return np.outer(axis, axis)


def touched_pixels(layers: Iterable[LayerLike]) -> NDArray[np.bool_]:
    """Mask of the input pixels that one output really depends on, for a stack of any depth.

    >>> touched_pixels([(3, 1, 2), (3, 1, 2)]).sum()     # 25 of the 81 pixels of the field
    np.int64(25)
    """
    axis = np.ones(1, dtype=np.int64)
    for layer in reversed(_checked(layers)):
        axis = np.minimum(_backwards(axis, layer), 1)
    return np.outer(axis, axis).astype(bool)


def coverage(layers: Iterable[LayerLike]) -> float:
    """Share of the receptive field that is touched: 1 means no holes.

    >>> coverage([(3, 1, 2)] * 3), coverage([(3, 1, 1), (3, 1, 2), (3, 1, 3)])     # 49 of 169; all
    (0.28994082840236685, 1.0)
    """
    return float(touched_pixels(layers).mean())


def hdc_gaps(rates: Sequence[int]) -> tuple[int, ...]:
    """The gaps M_2, ..., M_n of Wang et al. 2018, for rates r_1, ..., r_n from input to output.

    M_n = r_n, and M_i = max(M_(i+1) - 2 r_i, 2 r_i - M_(i+1), r_i). So the first rate
    enters none of them. At least two rates.

    >>> hdc_gaps([1, 2, 5]), hdc_gaps([1, 2, 9])
    ((2, 5), (5, 9))
    """
    rates = _checked_rates(rates)
    if len(rates) < 2:
        raise ValueError(f"M_2 needs a second layer: at least two rates, got {rates}")
    gaps = [rates[-1]]
    for rate in reversed(rates[1:-1]):
        gaps.insert(0, max(gaps[0] - 2 * rate, 2 * rate - gaps[0], rate))
    return tuple(gaps)


def satisfies_hdc(rates: Sequence[int], kernel_size: int = 3) -> bool:
    """Whether M_2 <= kernel_size, the design rule of hybrid dilated convolution (Wang et al. 2018).

    For 3x3 kernels, a first rate of 1 and rates that never fall it says exactly whether there are holes.
    Otherwise it may err both ways: see `is_gap_free`.

    >>> satisfies_hdc([1, 2, 5]), satisfies_hdc([1, 2, 9])
    (True, False)
    >>> satisfies_hdc([2, 2, 2]), coverage([(3, 1, 2)] * 3) < 1     # passes, with holes
    (True, True)
    """
    return hdc_gaps(rates)[0] <= _whole("kernel_size", kernel_size)


def is_gap_free(rates: Iterable[int], kernel_size: int = 3) -> bool:
    """Whether stride-1 layers touch every pixel of their field: exact, in any order of rates.

    Sort the rates: each may be at most as large as the field of the smaller ones, which
    for the first is 1. A larger one leaves a pixel near the rim that no steps add up to.

    >>> is_gap_free([1, 2, 5]), is_gap_free([1, 2, 7]), is_gap_free([1, 2, 8])
    (True, True, False)
    >>> is_gap_free([2, 3, 5])     # no common factor, but no rate of 1 either
    False
    """
    kernel_size, field = _whole("kernel_size", kernel_size), 1
    for rate in sorted(_checked_rates(rates)):
        if rate > field and kernel_size > 1:
            return False
        field += rate * (kernel_size - 1)
    return True


def _backwards(axis: NDArray[np.int64], layer: Layer) -> NDArray[np.int64]:
    """Counts at the input of `layer` along one axis, from those at its output: spread by stride, then by taps."""
    spread = np.zeros(layer.stride * (len(axis) - 1) + 1, dtype=np.int64)
    spread[:: layer.stride] = axis
    taps = np.zeros(layer.dilation * (layer.kernel_size - 1) + 1, dtype=np.int64)
    taps[:: layer.dilation] = 1
    return np.convolve(spread, taps)


def _checked(layers: Iterable[LayerLike]) -> list[Layer]:
    stack = []
    for number, layer in enumerate(layers):
        if not isinstance(layer, (tuple, list)) or not 1 <= len(layer) <= 4:
            raise ValueError(
                f"layer {number} must be (kernel_size, stride, dilation, padding), got {layer!r}; "
                "a stack of one layer is [layer]"
            )
        names = Layer._fields[: len(layer)]
        given = {
            name: _whole(f"{name} of layer {number}", value, least=0 if name == "padding" else 1)
            for name, value in zip(names, layer, strict=True)
        }
        stack.append(Layer(**given))
    return stack


def _checked_rates(rates: Iterable[int]) -> list[int]:
    return [_whole(f"rate {number}", rate) for number, rate in enumerate(rates, start=1)]


def _whole(name: str, value: int, least: int = 1) -> int:
    try:
        number = index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None
    if isinstance(value, bool) or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least} ({least} means none), got {value!r}")
    return number
