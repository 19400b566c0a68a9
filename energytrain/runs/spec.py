"""RunSpec: what one run is, resolved to the last default, and the identity that follows from it.

The identity decides whether a command continues a run or starts another. It is a hash of every field that bears on what
is trained and metered, so a changed default never makes two runs look alike; where a run is stored, how it is shown and
what is measured after it is done are not part of it.
"""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Dict, Mapping, Optional, Tuple

from ..errors import UsageError

SPEC_VERSION = 1


@dataclass(frozen=True)
class RunSpec:
    """One training by one method on one device. Epochs are whole; ratios and rates are plain fractions.

    Fields with a default came after version 1; the default is what runs before them silently had. It is frozen: never
    changed or removed. `retrain` "own" is what the method's recipe says. `infer` asks for what can be added to a run
    that is done, so it is no part of the identity.
    """

    method: str
    model: str
    width: float
    shortcut: str
    dataset: str
    image_size: Optional[int]
    limit: Optional[int]
    validation: float
    protocol: str
    prune_ratio: float
    align: int
    epochs: int
    batch_size: int
    lr: float
    momentum: float
    nesterov: bool
    weight_decay: float
    milestones: Tuple[int, ...]
    gamma: float
    warmup_epochs: int
    search_lr: float
    search_milestones: Tuple[int, ...]
    l1: float
    l1_retrain: bool
    eps: float
    queue: int
    distance_rule: str
    bn_start: float
    seed: int
    trial: int
    device: str
    compute: str
    precision: str
    channels_last: bool
    meters: Tuple[str, ...]
    sample_hz: float
    init: str
    ticket: Optional[str]
    match: Optional[str]
    measure_epochs: Optional[int]
    draw_epoch: Optional[int]
    search: str = "mask-distance"
    ppr_lr: Optional[float] = None
    ppr_eps: Optional[float] = None
    retrain: str = "own"
    retrain_epochs: Optional[int] = None
    rewind_epoch: Optional[int] = None
    rounds: int = 1
    gradual_epochs: Optional[int] = None
    gradual_steps: Optional[int] = None
    skip_ends: bool = False
    structured: bool = False
    filter_rates: Optional[str] = None
    accuracy_budget: Optional[float] = None
    random_labels: bool = False
    augment: bool = True
    average: bool = False
    master_weights: bool = False
    infer: bool = False

    def to_json(self) -> Dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "RunSpec":
        """The spec of a run folder; a field it lacks takes its frozen legacy value."""
        names = {f.name for f in fields(RunSpec)}
        missing = names - set(data) - set(LEGACY_VALUES)
        foreign = set(data) - names
        if missing or foreign:
            what = f"lacks {sorted(missing)}" if missing else f"has unknown fields {sorted(foreign)}"
            raise UsageError(f"this run's specification {what}.", "It was written by another version of energytrain.")
        values = {**LEGACY_VALUES, **data}
        for name in ("milestones", "search_milestones", "meters"):
            values[name] = tuple(values[name])
        return RunSpec(**values)


# A field that was added after version 1 is left out of the identity while it has the value that older runs had.
LEGACY_VALUES: Dict[str, Any] = {f.name: f.default for f in fields(RunSpec) if f.default is not MISSING}

# What a run that is done can be given later, without being another run.
OUTSIDE_IDENTITY = ("infer",)


def identity(spec: RunSpec) -> str:
    """64 hexadecimal digits that are the same exactly for the same resolved settings, but for those outside it."""
    content = {
        name: value
        for name, value in spec.to_json().items()
        if name not in OUTSIDE_IDENTITY and not (name in LEGACY_VALUES and LEGACY_VALUES[name] == value)
    }
    text = json.dumps({"version": SPEC_VERSION, "spec": content}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def folder_name(spec: RunSpec) -> str:
    """A name that people can read, with enough of the identity to be unique."""
    return f"{spec.method}-{spec.model}-{spec.dataset}-s{spec.seed}-{identity(spec)[:8]}"
