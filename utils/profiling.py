"""Where the time of a network goes: by layer, by operator, and as it was recorded on one machine.

Times differ from run to run, and the pages must not: what a page draws is read from `recorded`, whose files
tools/record_times.py writes. Used first in chapters/convolution/cost-and-time.ipynb.
"""

import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

RECORDED = Path(__file__).parent / "recorded"


def median_seconds(run: Callable[[], Any], *, repeats: int = 5) -> float:
    """Median seconds of `repeats` runs, after one that does not count.

    >>> median_seconds(lambda: sum(range(1000))) > 0
    True
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    run()
    return statistics.median(_seconds(run) for _ in range(repeats))


def layer_seconds(
    network: nn.Module, *inputs: Any, repeats: int = 5, pick: Callable[[Iterable[float]], float] = statistics.median
) -> dict[str, float]:
    """Seconds in each layer that has no layers inside, by dotted name, in running order, in evaluation mode.

    `pick` chooses among the repeats: the median, or `min` where other work disturbs the machine. A layer that runs
    twice has the sum of both. What the network does between its layers (sums, means) is in none.

    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    >>> list(layer_seconds(network, torch.zeros(1, 3, 32, 32)))
    ['0', '1']
    """
    leaves = {name: module for name, module in network.named_modules() if not list(module.children())}
    runs: list[dict[str, float]] = []
    started: dict[str, float] = {}

    def start(name: str) -> Any:
        return lambda *_: started.__setitem__(name, time.perf_counter())

    def stop(name: str) -> Any:
        def add(*_: Any) -> None:
            runs[-1][name] += time.perf_counter() - started[name]

        return add

    hooks = [module.register_forward_pre_hook(start(name)) for name, module in leaves.items()]
    hooks += [module.register_forward_hook(stop(name)) for name, module in leaves.items()]

    def run_once() -> None:
        runs.append(defaultdict(float))
        _infer(network, *inputs)

    try:
        median_seconds(run_once, repeats=repeats)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: pick(run[name] for run in runs[1:]) for name in runs[0]}


def operator_seconds(network: nn.Module, *inputs: Any) -> dict[str, float]:
    """Seconds that each operator of PyTorch takes itself in one run, largest first, by torch.profiler.

    The names are those of the kernels that run: a convolution may be `aten::mkldnn_convolution` here and
    another elsewhere.

    >>> seconds = operator_seconds(nn.Conv2d(3, 8, 3), torch.zeros(1, 3, 32, 32))
    >>> any("conv" in name for name in seconds)
    True
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's library writes times and numbers of processes
    _infer(network, *inputs)  # the first run also allocates and chooses kernels
    with profile(activities=[ProfilerActivity.CPU]) as recorder:
        _infer(network, *inputs)
    totals = {event.key: event.self_cpu_time_total / 1e6 for event in recorder.key_averages()}
    return dict(sorted(totals.items(), key=lambda item: -item[1]))


def recorded(name: str) -> dict[str, Any]:
    """The record `name`, as tools/record_times.py wrote it on one machine; its key "machine" says on which.

    >>> sorted(recorded("networks"))
    ['machine', 'networks']
    """
    path = RECORDED / f"{name}.json"
    if not path.is_file():
        names = ", ".join(sorted(each.stem for each in RECORDED.glob("*.json")))
        raise ValueError(f"no record is called {name!r}; there are: {names}")
    return json.loads(path.read_text(encoding="utf-8"))


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _infer(network: nn.Module, *inputs: Any) -> None:
    """One forward pass in evaluation mode, without gradients; the mode is put back."""
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            network(*inputs)
    finally:
        network.train(training)
