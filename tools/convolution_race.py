"""One convolution layer computed in several ways, each with its time and the peak memory of a process of its own.

    python tools/convolution_race.py im2col 64 56 3 64     bytes at the peak: way, channels, size, kernel_size, filters

tracemalloc does not see what torch and oneDNN allocate, so memory is what the system counts as resident: a process
makes the operands, runs a tiny layer (libraries load, buffers appear), and says how far the real one lifts the peak.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from utils.convolution import conv2d, conv2d_naive
from utils.im2col import conv2d_im2col

ROOT = Path(__file__).parents[1]
Floats = NDArray[np.float32]


class Layer(NamedTuple):
    """A layer of stride 1 that keeps the size of its maps; float32, one picture."""

    channels: int = 64
    size: int = 56
    kernel_size: int = 3
    filters: int = 64

    @property
    def multiply_adds(self) -> int:
        """Weights times places."""
        return self.filters * self.channels * self.kernel_size**2 * self.size**2

    @property
    def padding(self) -> int:
        """Zeros on each side."""
        return self.kernel_size // 2

    def operands(self) -> tuple[Floats, Floats]:
        """Random maps and weights."""
        rng, k = np.random.default_rng(0), self.kernel_size
        x = rng.standard_normal((1, self.channels, self.size, self.size), dtype=np.float32)
        return x, rng.standard_normal((self.filters, self.channels, k, k), dtype=np.float32)


def sliding_windows(x: Floats, weight: Floats, padding: int) -> Floats:
    """A Python loop over the places of the output; at each, all filters meet one window."""
    k = weight.shape[2]
    framed = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    kernels = weight.reshape(len(weight), -1)
    output = np.empty((len(x), len(weight), framed.shape[2] - k + 1, framed.shape[3] - k + 1), np.float32)
    for n, row, col in np.ndindex(len(x), *output.shape[2:]):
        output[n, :, row, col] = kernels @ framed[n, :, row : row + k, col : col + k].ravel()
    return output


def one_filter_by_loops(x: Floats, weight: Floats, padding: int) -> NDArray[Any]:
    """The first filter only, by the six-fold loop: all filters would take so many times as long."""
    return conv2d_naive(x, weight[:1], padding=padding)


def in_torch(x: Floats, weight: Floats, padding: int) -> Floats:
    """torch.nn.functional.conv2d."""
    import torch

    with torch.inference_mode():
        result: Floats = torch.nn.functional.conv2d(
            torch.from_numpy(x), torch.from_numpy(weight), padding=padding
        ).numpy()
    return result


def in_scipy(x: Floats, weight: Floats, padding: int) -> Floats:
    """scipy.signal.correlate, filter by filter; "valid" leaves one place along the channels."""
    from scipy.signal import correlate

    framed = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    return np.array([[correlate(picture, kernel, mode="valid")[0] for kernel in weight] for picture in framed])


WAYS: dict[str, Callable[[Floats, Floats, int], NDArray[Any]]] = {
    "im2col": lambda x, weight, padding: conv2d_im2col(x, weight, padding=padding),
    "our loop over taps": lambda x, weight, padding: conv2d(x, weight, padding=padding),
    "loop over windows": sliding_windows,
    "six-fold loop, one filter": one_filter_by_loops,
    "PyTorch": in_torch,
    "SciPy": in_scipy,
}


def runner(way: str, layer: Layer) -> Callable[[], NDArray[Any]]:
    """The layer as a function without arguments, its operands made."""
    x, weight = layer.operands()
    return lambda: WAYS[way](x, weight, layer.padding)


def peak_bytes(way: str, layer: Layer) -> int:
    """Bytes by which a run lifts the peak of resident memory in a fresh process; Linux only."""
    if not Path("/proc/self/status").exists():
        raise OSError("peak memory is read from /proc/self/status, which this system does not have")
    path = os.pathsep.join([str(ROOT), str(ROOT / "tools")])
    environ = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}  # each thread would bring buffers of its own
    command = [sys.executable, __file__, way, *map(str, layer)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return int(done.stdout)


def resident(kind: str) -> int:
    """Bytes of this process that are in memory: "VmRSS" now, "VmHWM" at the peak."""
    # Not resource.getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.findall(rf"{kind}:\s+(\d+) kB", status)[0])


def main(arguments: list[str]) -> int:
    """Print the bytes by which one way of computing one layer lifts the peak."""
    way, layer = arguments[0], Layer(*map(int, arguments[1:]))
    runner(way, Layer(2, 4, layer.kernel_size, 2))()
    run = runner(way, layer)
    before = resident("VmRSS")
    run()
    print(max(resident("VmHWM") - before, 0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
