"""Fixed-size features of a box: RoIPool, which rounds, and RoIAlign, which interpolates.

One picture's feature map is (C, H, W), boxes are (N, 4) ``x1, y1, x2, y2`` in pixels of the picture, and
`spatial_scale` turns them into cells of the map (1/16 at stride 16). Arguments, roundings and borders are those of
``torchvision.ops``. Used first in chapters/detection/instance-masks-and-segmentation.ipynb.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def roi_pool(
    features: ArrayLike, boxes: ArrayLike, output_size: int | tuple[int, int], spatial_scale: float = 1.0
) -> Floats:
    """Largest value in each bin of each box, shape (N, C, rows, columns): RoIPool (Girshick, 2015).

    The corners of a box are rounded to whole cells (halves away from zero), and the last cell belongs to the box;
    a bin begins at the floor of its share and ends at the ceiling, so neighbours can overlap by a cell.
    A bin outside the map is 0.

    >>> ramp = np.arange(8.0).reshape(1, 1, 8)
    >>> roi_pool(ramp, [[1.4, 0, 4.4, 0], [1.6, 0, 4.6, 0]], (1, 2))[:, 0, 0]     # moved by 0.2: a whole cell
    array([[2., 4.],
           [3., 5.]])
    """
    maps, rois, (rows, columns) = _checked(features, boxes, output_size, spatial_scale)
    corners = np.trunc(rois + np.copysign(0.5, rois)).astype(int)
    pooled = np.zeros((len(rois), len(maps), rows, columns))
    for n, (x1, y1, x2, y2) in enumerate(corners):
        for i, rows_in in enumerate(_cells(y1, y2, rows, maps.shape[1])):
            for j, columns_in in enumerate(_cells(x1, x2, columns, maps.shape[2])):
                window = maps[:, rows_in, columns_in]
                if window.size:
                    pooled[n, :, i, j] = window.max(axis=(1, 2))
    return pooled


def roi_align(
    features: ArrayLike,
    boxes: ArrayLike,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Floats:
    """Mean of interpolated samples in each bin of each box, shape (N, C, rows, columns): RoIAlign (He et al., 2017).

    Nothing is rounded. `sampling_ratio` samples a side stand evenly in each bin (0 or less: as many as the bin has
    cells, rounded up), and each is interpolated from four cells. With `aligned` the centre of cell 0 lies at 0.5,
    without at 0, and boxes smaller than a cell grow to one. Samples past the border take the border's value up to
    one cell away, beyond that 0.

    >>> ramp = np.arange(8.0).reshape(1, 1, 8) + 0.5            # the value is the place
    >>> roi_align(ramp, [[1.4, 0, 4.4, 1], [1.6, 0, 4.6, 1]], (1, 2), aligned=True)[:, 0, 0]
    array([[2.15, 3.65],
           [2.35, 3.85]])
    """
    maps, rois, (rows, columns) = _checked(features, boxes, output_size, spatial_scale)
    aligned_boxes = np.empty((len(rois), len(maps), rows, columns))
    for n, (x1, y1, x2, y2) in enumerate(rois):
        down = _mean_of_samples(y1, y2, rows, maps.shape[1], sampling_ratio, aligned)
        across = _mean_of_samples(x1, x2, columns, maps.shape[2], sampling_ratio, aligned)
        aligned_boxes[n] = down @ maps @ across.T  # bilinear: one matrix for rows, one for columns
    return aligned_boxes


def _cells(first: int, last: int, bins: int, length: int) -> list[slice]:
    """Cells of each bin of a side that runs from cell `first` to cell `last`, both inside."""
    size = max(last - first + 1, 1)
    edges = [(first + i * size // bins, first - (-(i + 1) * size // bins)) for i in range(bins)]
    return [slice(min(max(low, 0), length), min(max(high, 0), length)) for low, high in edges]


def _mean_of_samples(start: float, end: float, bins: int, length: int, sampling_ratio: int, aligned: bool) -> Floats:
    """Weights (bins, length) that turn the cells of one axis into the means of the samples in each bin."""
    side = end - start if aligned else max(end - start, 1.0)
    samples = sampling_ratio if sampling_ratio > 0 else max(int(np.ceil(side / bins)), 1)
    places = start - 0.5 * aligned + (np.arange(bins * samples) + 0.5) * side / (bins * samples)
    on_map = (places >= -1) & (places <= length)
    places = places.clip(0, length - 1)
    # A hat of width 2 around each sample: the weights of its two neighbours.
    weights = (1 - np.abs(places[:, None] - np.arange(length))).clip(min=0) * on_map[:, None]
    return weights.reshape(bins, samples, length).mean(axis=1)


def _checked(
    features: ArrayLike, boxes: ArrayLike, output_size: int | tuple[int, int], spatial_scale: float
) -> tuple[Floats, Floats, tuple[int, int]]:
    maps = np.asarray(features, dtype=np.float64)
    if maps.ndim != 3 or 0 in maps.shape:
        cause = (
            "; pass the map of one picture" if maps.ndim == 4 else "; add the channel axis" if maps.ndim == 2 else ""
        )
        raise ValueError(f"features must have shape (C, H, W), got {maps.shape}{cause}")
    rois = np.asarray(boxes, dtype=np.float64)
    if rois.size == 0 and rois.shape in ((0,), (0, 4)):
        rois = np.empty((0, 4))
    if rois.ndim != 2 or rois.shape[1] != 4:
        cause = "; one box is [[x1, y1, x2, y2]]" if rois.shape == (4,) else ""
        cause = "; the number of the picture has no place here" if rois.shape[1:] == (5,) else cause
        raise ValueError(f"boxes must have shape (N, 4), got {rois.shape}{cause}")
    if not np.isfinite(rois).all() or (rois[:, 2:] < rois[:, :2]).any():
        raise ValueError("boxes must be finite with x1 <= x2 and y1 <= y2; did you pass x, y, width, height?")
    if not 0 < spatial_scale < np.inf:
        raise ValueError(f"spatial_scale must be positive, got {spatial_scale}")
    if spatial_scale > 1:
        raise ValueError(f"spatial_scale must be at most 1, got {spatial_scale}; did you pass the stride?")
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    if min(rows, columns) < 1:
        raise ValueError(f"output_size must be at least 1, got {output_size}")
    return maps, rois * spatial_scale, (rows, columns)
