"""The Early-Bird search: draw a ticket once the mask stops moving from epoch to epoch (paper, Algorithm 1)."""

import warnings
from collections import deque
from typing import Any, Deque, Dict, List, Mapping, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import UsageError, unknown
from ..models.units import declares_units, units_of, unwrapped
from .distance import mask_distance
from .masks import Mask, check_prune_ratio, global_mask, kept_indices, mask_from_indices, scale_of
from .ticket import Ticket

RULES = ("paper", "released", "fixed")


class EarlyBird:
    """Watches a network's BN scales while any loop trains it, and draws its ticket.

    Call `penalise()` between backward() and the optimiser's step (behind an AMP scaler's unscale_), and `update()`
    after each epoch; once it returns True, `ticket` is set, and `energytrain.rebuild(model, search.ticket)` makes the
    smaller network. A network that declares no prunable units is searched over all its batch normalisations.

    ratio: share of all channels to prune, in (0, 1). l1: weight of the L1 norm of the ranked scales, as a subgradient.
    eps: the distance below which the mask counts as still, in (0, 1]. queue: how many the rule looks back on.
    rule: "paper" draws when the last `queue` distances between consecutive epochs are all below eps; "released" (the
    authors' code) when the newest of `queue` masks is that near to each of the others; "fixed" never draws by itself.

    epoch: epochs seen. mask: the newest mask. distances: between consecutive epochs, one fewer than epochs.
    ticket: the ticket, None until drawn. Raises UsageError for arguments out of range or no normalisation to rank by.
    """

    def __init__(
        self,
        model: nn.Module,
        ratio: float = 0.5,
        l1: float = 1e-4,
        eps: float = 0.1,
        queue: int = 5,
        rule: str = "paper",
    ) -> None:
        check_prune_ratio(ratio)
        _check(l1, eps, queue, rule)
        if eps >= min(ratio, 1.0 - ratio):
            warnings.warn(
                f"eps = {eps} is loose at prune ratio {ratio}: two masks are never more than "
                f"{2 * min(ratio, 1.0 - ratio):.3g} apart, so the ticket may be drawn too early.",
                stacklevel=2,
            )
        self.ratio, self.l1, self.eps, self.queue, self.rule = ratio, l1, eps, queue, rule
        self.epoch = 0
        self.distances: List[float] = []
        self.ticket: Optional[Ticket] = None
        self._norms = _ranked_norms(unwrapped(model))
        self._masks: Deque[Mask] = deque(maxlen=queue if rule == "released" else 1)

    @property
    def mask(self) -> Optional[Mask]:
        """The newest mask; None before the first epoch."""
        return self._masks[-1] if self._masks else None

    def penalise(self) -> None:
        """Add l1 x sign(scale) to the gradients of the ranked scales.

        Raises UsageError where none of them has a gradient yet: then it was called before backward().
        """
        if self.l1 == 0.0:
            return
        scales = [norm.weight for norm in self._norms.values() if norm.weight.grad is not None]
        gradients = [scale.grad for scale in scales]
        if not scales:
            raise UsageError("no BN scale has a gradient yet.", "Call penalise() after backward(), before the step.")
        torch._foreach_add_(gradients, _signs(scales), alpha=self.l1)

    def update(self) -> bool:
        """Draw this epoch's mask and compare it; True once the ticket is drawn (and from then on)."""
        if self.ticket is not None:
            return True
        before = self.mask
        mask = global_mask({name: norm.weight.detach().abs() for name, norm in self._norms.items()}, self.ratio)
        self._masks.append(mask)
        self.epoch += 1
        if before is not None:
            self.distances.append(mask_distance(before, mask))
        if not self._is_still():
            return False
        self.ticket = Ticket.from_mask(
            mask, self.ratio, draw_epoch=self.epoch, distances=tuple(self.distances), notes={"rule": self.rule}
        )
        return True

    def state_dict(self) -> Dict[str, Any]:
        """All that a search needs to go on, as JSON data."""
        return {
            "settings": self._settings(),
            "widths": self._widths(),
            "epoch": self.epoch,
            "distances": list(self.distances),
            "masks": [kept_indices(mask) for mask in self._masks],
            "ticket": None if self.ticket is None else self.ticket.to_json(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`. Raises UsageError where it is of another network or of other settings."""
        if state["widths"] != self._widths() or state["settings"] != self._settings():
            raise UsageError(
                "the search to go on with is of another network or of other settings.",
                "Build the model and EarlyBird as they were.",
            )
        self.epoch = state["epoch"]
        self.distances = list(state["distances"])
        self._masks.clear()
        self._masks.extend(mask_from_indices(kept, state["widths"]) for kept in state["masks"])
        self.ticket = None if state["ticket"] is None else Ticket.from_json(state["ticket"])

    def _is_still(self) -> bool:
        if self.rule == "fixed":
            return False
        if self.rule == "paper":
            recent = self.distances[-self.queue :]
            return len(recent) == self.queue and max(recent) < self.eps
        newest = self._masks[-1]
        others = list(self._masks)[:-1]
        return len(self._masks) == self.queue and all(mask_distance(newest, mask) < self.eps for mask in others)

    def _settings(self) -> Dict[str, Any]:
        return {"ratio": self.ratio, "l1": self.l1, "eps": self.eps, "queue": self.queue, "rule": self.rule}

    def _widths(self) -> Dict[str, int]:
        return {name: norm.num_features for name, norm in self._norms.items()}


def _ranked_norms(model: nn.Module) -> Dict[str, Any]:
    """The batch normalisations to rank by, by unit: those of the declared units, else all that have scales."""
    paths: List[Tuple[str, str]]
    if declares_units(model):
        paths = [(unit.name, unit.bn) for unit in units_of(model)]
    else:
        norms = [(name, module) for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
        paths = [(name, name) for name, norm in norms if norm.affine]
    if not paths:
        raise UsageError(
            f"{type(model).__name__} has no batch normalisation with scales, and Early-Bird ranks channels by them.",
            "Use a network with BatchNorm layers.",
        )
    for _, path in paths:
        scale_of(model, path)
    return {name: model.get_submodule(path) for name, path in paths}


def _signs(tensors: List[Tensor]) -> List[Tensor]:
    """One launch for all on a GPU where this torch has it."""
    fused = getattr(torch, "_foreach_sign", None)
    return [tensor.sign() for tensor in tensors] if fused is None else list(fused(tensors))


def _check(l1: float, eps: float, queue: int, rule: str) -> None:
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    if not 0.0 < eps <= 1.0:
        raise UsageError(f"eps is {eps}.", "Give a distance above 0 and at most 1, such as 0.1.")
    if not 0.0 <= l1 < float("inf"):
        raise UsageError(f"the L1 weight is {l1}.", "Give a number of 0 or more, such as 1e-4.")
    least = 2 if rule == "released" else 1
    if queue < least:
        raise UsageError(f"the queue is {queue} long.", f"Give at least {least}.")
