"""Plans of many methods and prune ratios under one set of options, and of the same under shorter schedules."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..devices.profile import Profile, load_profile, profile_names
from ..devices.setup import setup_names
from ..errors import EnergytrainError, UsageError
from ..methods.catalog import METHODS, method_info
from ..methods.network import Networks
from .estimate import Found, Plan, plan

ALL = "all"
DEFAULT_METHODS = ("dense", "eb-ff")
DEFAULT_RATIO = 0.5
# Epochs among the options: of a shorter schedule the same shares.
_EPOCHS = ("retrain_epochs", "rewind_epoch", "gradual_epochs", "gradual_steps", "draw_epoch")
_LISTS = ("milestones", "search_milestones")
# The setup of a card that has a profile and no setup of its own.
ANY_GPU = "nvidia-gpu"
# What a control is matched to where no run is named.
MATCHED_TO = "eb-ff"


class LeftOut(NamedTuple):
    """A method that the options do not allow, and why."""

    method: str
    ratio: Optional[float]
    why: str


def methods_named(texts: Sequence[str]) -> List[str]:
    """From names, comma-separated names and "all"; UsageError for an unknown one.

    >>> methods_named(["dense,eb-ff", "lt"])
    ['dense', 'eb-ff', 'lt']
    """
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    found: List[str] = []
    for name in names or DEFAULT_METHODS:
        if name != ALL:
            method_info(name)
        found += METHODS if name == ALL else [name]
    return list(dict.fromkeys(found))


def with_profile(options: Mapping[str, Any]) -> Tuple[Dict[str, Any], Optional[Profile]]:
    """The options, and the profile of the device that they name; a card that has a profile and no setup of its own
    ("h100") is an `ANY_GPU`."""
    device = options.get("device")
    if device is not None and device not in setup_names() and device in profile_names():
        return {**options, "device": ANY_GPU}, load_profile(device)
    return dict(options), None


class Planner:
    """options: as `execution.resolve` takes them, but for method, prune ratio and ticket; found: what is assumed of
    draws. Networks that plans share are built once."""

    def __init__(self, options: Mapping[str, Any], found: Found) -> None:
        self.options = {**options, "planned": True, "meter": ("none",)}
        self.found = found
        self.networks = Networks()
        self._plans: Dict[Tuple[str, Optional[float], Optional[int]], Plan] = {}

    def all(self, methods: Sequence[str], ratios: Sequence[float]) -> Tuple[List[Plan], List[LeftOut]]:
        """A plan for each method and ratio, one where the ratio has no part; and what the options do not allow.

        Raises that reason where nothing is left.
        """
        plans: List[Plan] = []
        left: List[LeftOut] = []
        first: Optional[EnergytrainError] = None
        for method in methods:
            for ratio in self._ratios(method, ratios):
                try:
                    plans.append(self.plan(method, ratio))
                except UsageError as error:
                    first = first or error
                    left.append(LeftOut(method, ratio, str(error)))
        if first is not None and not plans:
            raise first
        return plans, left

    def plan(self, method: str, ratio: Optional[float], epochs: Optional[int] = None) -> Plan:
        """epochs: of a schedule shorter than that of the options."""
        key = (method, ratio, epochs)
        if key not in self._plans:
            self._plans[key] = self._plan(method, ratio, epochs)
        return self._plans[key]

    def _plan(self, method: str, ratio: Optional[float], epochs: Optional[int]) -> Plan:
        info = method_info(method)
        if self.found.ticket is not None and info.weights and not self.options.get("structured"):
            raise UsageError(f"{method} prunes single weights, and the ticket is of channels.")
        options, found = dict(self.options), self.found
        if epochs is not None:
            whole = self.plan(method if info.matches is None else MATCHED_TO, ratio).spec.epochs
            options, found = shorter(options, found, whole, epochs)
        options["method"] = method
        if ratio is not None:
            options["prune_ratio"] = ratio
        if info.matches is None or options.get("like") is not None:
            return plan(options, None, found, self.networks)
        return plan(options, self.plan(MATCHED_TO, ratio, epochs), found, self.networks)

    def _ratios(self, method: str, ratios: Sequence[float]) -> Sequence[Optional[float]]:
        if method == "dense" or (method == "l1-filters" and self.options.get("filter_rates") is not None):
            return [None]
        if self.found.ticket is not None:
            return [self.found.ticket.prune_ratio]
        return ratios or [DEFAULT_RATIO]


def shorter(options: Mapping[str, Any], found: Found, whole: int, epochs: int) -> Tuple[Dict[str, Any], Found]:
    """The options for a schedule of `epochs` instead of `whole`: the draw, the drops of the rate and all other epochs
    at the same shares of it."""
    share = epochs / whole
    changed = {**options, "epochs": epochs}
    for name in _EPOCHS:
        if changed.get(name) is not None:
            changed[name] = max(1, round(changed[name] * share))
    for name in _LISTS:
        if changed.get(name) not in (None, "none"):
            values = [float(word) for word in str(changed[name]).split(",")]
            changed[name] = ",".join(f"{max(1, int(v * share)) if v >= 1 else v:g}" for v in values)
    drawn = found.draw_epoch
    if drawn is None and found.ticket is not None:
        drawn = found.ticket.draw_epoch
    return changed, found._replace(draw_epoch=None if drawn is None else max(1, round(drawn * share)))
