"""One filter for all places of a set of pictures, or one for each: how much contrast does it catch in unseen ones?

Used first in chapters/convolution/locality-and-weight-sharing.ipynb.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class PlaceFilters(NamedTuple):
    """Filters of length 1, flattened row by row, and what they catch at each of P places."""

    own: Floats  # (P, size * size)
    shared: Floats  # (size * size,)
    caught_by_own: Floats  # (P,): share of the contrast there
    caught_by_shared: Floats  # (P,)
    contrast: Floats  # (P,): sum of squares to be caught

    def shares(self) -> tuple[float, float]:
        """Share of all contrast caught by own filters, and by the shared one."""
        own, shared = (np.average(c, weights=self.contrast) for c in (self.caught_by_own, self.caught_by_shared))
        return float(own), float(shared)


def place_filters(pictures: ArrayLike, size: int) -> PlaceFilters:
    """The best filter of each place and the best for all places of pictures (N, H, W), places row by row.

    A place is a position of a window of `size` x `size` pixels; its mean gray is taken off, what is left is contrast.
    The best filter is the first principal component: it catches most of the squared contrast in the pictures 0, 2, 4,
    ..., and what it catches is measured in the others. Its largest number is positive. `ValueError` for less than two
    pictures, or where a place of the measured pictures has no contrast at all.

    >>> corner = np.array([[0, 0], [0, 3]])
    >>> place_filters([corner, 2 * corner], size=2).own.round(2)
    array([[-0.29, -0.29, -0.29,  0.87]])
    """
    pictures = np.asarray(pictures, dtype=float)
    if pictures.ndim != 3 or len(pictures) < 2:
        raise ValueError(f"pictures must be (N, H, W), two or more to learn and to measure, got {pictures.shape}")
    windows = sliding_window_view(pictures, (size, size), axis=(1, 2)).reshape(len(pictures), -1, size * size)
    windows = windows - windows.mean(axis=-1, keepdims=True)
    learn, measure = windows[::2], windows[1::2]
    products = np.einsum("npi,npj->pij", learn, learn)
    own, shared = _first_component(products), _first_component(products.sum(axis=0))
    contrast = (measure**2).sum(axis=(0, 2))
    if not contrast.all():
        raise ValueError("a place has no contrast in any measured picture; cut away the blank border")
    by_own = (np.einsum("npi,pi->np", measure, own) ** 2).sum(axis=0)
    by_shared = ((measure @ shared) ** 2).sum(axis=0)
    return PlaceFilters(own, shared, by_own / contrast, by_shared / contrast, contrast)


def _first_component(products: Floats) -> Floats:
    """Unit eigenvectors of the largest eigenvalue, with the sign that makes the largest entry positive."""
    vectors: Floats = np.linalg.eigh(products)[1][..., -1]
    largest = np.abs(vectors).argmax(axis=-1)[..., None]
    signed: Floats = vectors * np.sign(np.take_along_axis(vectors, largest, axis=-1))
    return signed
