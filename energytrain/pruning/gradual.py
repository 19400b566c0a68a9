"""How much is pruned when: the cubic schedule of gradual pruning (Zhu & Gupta 2017)."""

from ..errors import UsageError


def sparsity_at(step: int, steps: int, final: float, initial: float = 0.0) -> float:
    """The share that is pruned after `step` of `steps` prunings: s_f + (s_i - s_f) (1 - step / steps)^3.

    It is `initial` at step 0 and `final` at the last, exactly ("The sooner the better", Eq. 6, with step / steps for
    (t - t0) / (n dt)). A share of 0 asks for no mask. Raises UsageError for a step outside 0..steps or shares that do
    not rise within [0, 1).

    >>> [round(sparsity_at(step, 4, 0.8), 4) for step in range(5)]
    [0.0, 0.4625, 0.7, 0.7875, 0.8]
    """
    if not (steps >= 1 and 0 <= step <= steps):
        raise UsageError(f"there is no step {step} of {steps} in a gradual pruning.", "Give 1 step or more.")
    if not 0.0 <= initial <= final < 1.0:
        raise UsageError(
            f"pruning cannot go from {initial} to {final}.", "Give shares that rise, from 0 to less than 1."
        )
    return initial if step == 0 else final + (initial - final) * (1.0 - step / steps) ** 3
