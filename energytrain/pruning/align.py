"""Aligned tickets: kept counts that a device runs well, at the exact ticket's cost.

Widths that are no multiple of what the hardware's kernels work in cost the time of the next multiple. So each unit's
count is rounded, and then units take or give whole multiples, where the scores say that it matters least, until the
cost is the exact ticket's again.
"""

from typing import Callable, Dict, List, Mapping, NamedTuple, Optional

import torch
from torch import Tensor

from ..errors import UsageError
from .masks import Mask, kept_counts

Cost = Callable[[Dict[str, int]], int]
_TOLERANCE = 0.01  # the cost may end above the exact ticket's by this share at most


class _Unit(NamedTuple):
    exact: int  # kept by the exact ticket
    choices: List[int]  # counts that are allowed, rising
    total: List[float]  # summed score of the first n channels in rank
    ranking: Tensor


class _Move(NamedTuple):
    unit: str
    channels: int
    cost: int
    strays: int  # whole multiples away from the exact count
    lost: float  # score given up (negative: gained) for each unit of cost that changes


def align_mask(mask: Mask, scores: Mapping[str, Tensor], multiple: int, cost: Cost) -> Mask:
    """`mask` with each unit's kept count a multiple of `multiple`, or the unit's whole width.

    Each count is rounded to the nearest, at least `multiple` (or the width, where that is less). Then single steps
    bring the cost as near to that of `mask` as they can, never over 1 % above it: first those that leave a unit within
    one multiple of its exact count, and of these the ones that lose the least score for the cost. Within a unit the
    best-ranked dropped channels come back and the worst kept ones go. Where even the least counts cost too much, as in
    very narrow networks, units that keep less than `multiple` may stay at their exact count.

    cost: what kept counts by unit cost, such as the network's FLOPs; called about once for each unit and step.
    Raises UsageError for a multiple below 1.
    """
    if multiple < 1:
        raise UsageError(f"channels cannot be aligned to {multiple}.", "Give 1 or more, such as 8.")
    exact = kept_counts(mask)
    units = {name: _unit(mask[name], scores[name], exact[name], multiple) for name in mask}
    counts = {name: _nearest(unit) for name, unit in units.items()}
    rounded = dict(counts)
    target, now = cost(exact), cost(counts)
    limit = target * (1.0 + _TOLERANCE)
    narrower_allowed = False
    while True:
        moves = _moves(units, counts, now, now > target, multiple, cost)
        if now <= limit:
            moves = [move for move in moves if abs(move.cost - target) < abs(now - target) and move.cost <= limit]
        elif not moves and not narrower_allowed:
            for unit in units.values():
                if unit.exact < unit.choices[0]:
                    unit.choices.insert(0, unit.exact)
            narrower_allowed = True
            counts, now = rounded, cost(rounded)
            continue
        if not moves:
            return {name: _keep(unit.ranking, counts[name]) for name, unit in units.items()}
        chosen = min(moves, key=lambda move: (move.strays, move.lost))
        counts[chosen.unit], now = chosen.channels, chosen.cost


def _unit(kept: Tensor, scores: Tensor, exact: int, multiple: int) -> _Unit:
    """Ranked: the kept channels from the highest score down, then the dropped ones; the earlier of equals first."""
    values = scores.detach().to("cpu", torch.float64)
    order = torch.sort(values, descending=True, stable=True).indices
    ranking = torch.cat([order[kept[order]], order[~kept[order]]])
    width = kept.numel()
    choices = sorted({*range(multiple, width + 1, multiple), width})
    return _Unit(exact, choices, [0.0, *torch.cumsum(values[ranking], 0).tolist()], ranking)


def _nearest(unit: _Unit) -> int:
    return min(unit.choices, key=lambda channels: abs(channels - unit.exact))


def _moves(
    units: Dict[str, _Unit], counts: Dict[str, int], now: int, lower: bool, multiple: int, cost: Cost
) -> List[_Move]:
    """Every single step down (`lower`) or up that changes the cost in that direction."""
    moves: List[_Move] = []
    for name, unit in units.items():
        channels = _next(unit.choices, counts[name], lower)
        if channels is None:
            continue
        new_cost = cost({**counts, name: channels})
        if (new_cost < now) if lower else (new_cost > now):
            lost = (unit.total[counts[name]] - unit.total[channels]) / abs(now - new_cost)
            moves.append(_Move(name, channels, new_cost, abs(channels - unit.exact) // multiple, lost))
    return moves


def _next(choices: List[int], count: int, lower: bool) -> Optional[int]:
    beyond = [choice for choice in choices if (choice < count if lower else choice > count)]
    if not beyond:
        return None
    return beyond[-1] if lower else beyond[0]


def _keep(ranking: Tensor, count: int) -> Tensor:
    kept = torch.zeros(ranking.shape, dtype=torch.bool)
    kept[ranking[:count]] = True
    return kept
