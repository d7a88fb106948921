"""First-order optimizers as pure steps: parameters, gradient and state in, parameters and state out.

Only elementwise arithmetic is used, so that parameters may be floats, NumPy arrays or tensors, and `lr` an array that
broadcasts against them. Names and conventions are those of `torch.optim`.
Used first in chapters/practice/notes-multiple-choice.ipynb.
"""

from collections.abc import Callable
from typing import Any

State = tuple[Any, ...]
Step = Callable[..., tuple[Any, State]]


def sgd_step(parameters: Any, gradient: Any, state: State = (), *, lr: Any, momentum: float = 0.0) -> tuple[Any, State]:
    """One step of gradient descent, with heavy-ball momentum where `momentum` is not 0.

    The state is the velocity: the gradient itself at first (as in PyTorch), then ``momentum * velocity + gradient``.

    >>> sgd_step(1.0, 2.0, lr=0.1)
    (0.8, (2.0,))
    >>> sgd_step(1.0, 2.0, (4.0,), lr=0.1, momentum=0.5)
    (0.6, (4.0,))
    """
    _check_share("momentum", momentum)
    velocity = momentum * state[0] + gradient if state else gradient
    return parameters - lr * velocity, (velocity,)


def rmsprop_step(
    parameters: Any, gradient: Any, state: State = (), *, lr: Any, alpha: float = 0.99, eps: float = 1e-8
) -> tuple[Any, State]:
    """One step of RMSprop: the gradient over the root of a running mean of its square.

    The state is that mean, 0 at first and not corrected for it: the first step is ``lr / sqrt(1 - alpha)`` long
    whatever the gradient's size. `eps` is added to the root.

    >>> rmsprop_step(1.0, 2.0, lr=0.1, alpha=0.75, eps=0.0)
    (0.8, (1.0,))
    """
    _check_share("alpha", alpha)
    square = (alpha * state[0] if state else 0.0) + (1 - alpha) * gradient**2
    return parameters - lr * gradient / (square**0.5 + eps), (square,)


def adam_step(
    parameters: Any,
    gradient: Any,
    state: State = (),
    *,
    lr: Any,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[Any, State]:
    """One step of Adam (Kingma and Ba 2015): mean of the gradient over the root of the mean of its square.

    The state is both running means and the number of steps. They begin at 0, and are divided by ``1 - beta ** steps``
    to make up for it, so that the first step is `lr` long whatever the gradient's size. `eps` is added to the root.

    >>> parameters, state = adam_step(1.0, 2.0, lr=0.1)
    >>> round(parameters, 6), state[2]
    (0.9, 1)
    """
    for name, beta in zip(("betas[0]", "betas[1]"), betas, strict=True):
        _check_share(name, beta)
    mean, square, count = state or (0.0, 0.0, 0)
    mean = betas[0] * mean + (1 - betas[0]) * gradient
    square = betas[1] * square + (1 - betas[1]) * gradient**2
    count += 1
    size = (square / (1 - betas[1] ** count)) ** 0.5
    return parameters - lr * (mean / (1 - betas[0] ** count)) / (size + eps), (mean, square, count)


def descend(step: Step, gradient: Callable[[Any], Any], start: Any, steps: int, **settings: Any) -> list[Any]:
    """The places `step` goes through from `start`: ``steps + 1`` of them, the start among them.

    `gradient` is called with each place but the last; `settings` are handed to `step`.

    >>> descend(sgd_step, lambda x: 2 * x, 1.0, 3, lr=0.25)
    [1.0, 0.5, 0.25, 0.125]
    """
    if steps < 0:
        raise ValueError(f"steps must be at least 0, got {steps}")
    places, state = [start], ()
    for _ in range(steps):
        place, state = step(places[-1], gradient(places[-1]), state, **settings)
        places.append(place)
    return places


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be from 0 to below 1, got {value}; did you pass the learning rate?")
