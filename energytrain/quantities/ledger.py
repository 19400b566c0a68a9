"""The work done: FLOPs and bytes, by phase, pass and precision. Plain integers; exact.

A `WorkItem` is what one layer does in one pass, split into what grows with the images and what each step costs. A
`NetworkBill` holds the items of a network's training step and of its evaluation; `spend` turns images and steps into a
`Ledger`. One multiply-add counts as two FLOPs.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

PRECISIONS = ("fp32", "bf16", "bfp8", "fp8_e4m3", "fp8_e5m2")
MATRIX_KINDS = ("conv", "linear")


def in_order(by_precision: Mapping[str, Any]) -> Dict[str, Any]:
    """FLOPs by precision in the order of `PRECISIONS`, without those of which there are none."""
    return {name: by_precision[name] for name in PRECISIONS if by_precision.get(name)}


@dataclass(frozen=True)
class WorkItem:
    """What one layer does in one pass (`stage`): forward, input_grad, weight_grad, update, penalty or mask."""

    layer: str
    kind: str  # conv, linear, norm, elementwise, pool, optimiser, l1, mask, quantise, cast, average
    stage: str
    precision: str
    flops_per_image: int = 0
    bytes_per_image: int = 0
    flops_per_step: int = 0
    bytes_per_step: int = 0
    launches_per_step: int = 1


@dataclass(frozen=True)
class NetworkBill:
    """What a network costs: `training` is one forward and backward pass and the update, `evaluation` one forward."""

    training: Tuple[WorkItem, ...]
    evaluation: Tuple[WorkItem, ...]
    parameters: int
    macs: int  # of convolutions and fully connected layers, per image

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "NetworkBill":
        def items(rows: Iterable[Mapping[str, Any]]) -> Tuple[WorkItem, ...]:
            return tuple(WorkItem(**row) for row in rows)

        return NetworkBill(items(data["training"]), items(data["evaluation"]), data["parameters"], data["macs"])

    def size(self) -> Dict[str, int]:
        """Parameters, and multiply-adds and FLOPs of one forward pass."""
        return {"parameters": self.parameters, "macs": self.macs, "flops": 2 * self.macs}

    @property
    def training_flops_per_image(self) -> int:
        """FLOPs of convolutions and fully connected layers for one image, forward and backward."""
        return sum(i.flops_per_image for i in self.training if i.kind in MATRIX_KINDS)


@dataclass(frozen=True)
class LedgerEntry:
    phase: str
    kind: str
    stage: str
    precision: str
    flops: int
    bytes: int
    launches: int


@dataclass
class Ledger:
    """A sum of work, kept by phase, kind, stage and precision."""

    entries: Dict[Tuple[str, str, str, str], Tuple[int, int, int]] = field(default_factory=dict)

    def add(self, entry: LedgerEntry) -> None:
        key = (entry.phase, entry.kind, entry.stage, entry.precision)
        flops, nbytes, launches = self.entries.get(key, (0, 0, 0))
        self.entries[key] = (flops + entry.flops, nbytes + entry.bytes, launches + entry.launches)

    def __iter__(self) -> Iterator[LedgerEntry]:
        return iter([LedgerEntry(*key, *value) for key, value in self.entries.items()])

    def __add__(self, other: "Ledger") -> "Ledger":
        result = Ledger(dict(self.entries))
        for entry in other:
            result.add(entry)
        return result

    def flops(
        self, phase: Optional[str] = None, precision: Optional[str] = None, kinds: Optional[Tuple[str, ...]] = None
    ) -> int:
        """FLOPs of all entries that match."""
        return sum(
            e.flops
            for e in self
            if phase in (None, e.phase) and precision in (None, e.precision) and (kinds is None or e.kind in kinds)
        )

    def by_precision(self) -> Dict[str, int]:
        sums: Dict[str, int] = defaultdict(int)
        for entry in self:
            sums[entry.precision] += entry.flops
        return dict(sums)

    def phases(self) -> List[str]:
        return list(dict.fromkeys(e.phase for e in self))

    def to_json(self) -> List[Dict[str, Any]]:
        return [asdict(e) for e in self]

    @staticmethod
    def from_json(rows: Iterable[Mapping[str, Any]]) -> "Ledger":
        ledger = Ledger()
        for row in rows:
            ledger.add(LedgerEntry(**row))
        return ledger


Work = Tuple[Tuple[WorkItem, ...], int, int]
"""(items, images, steps): what `spend` turns into a ledger."""


def work_to_json(work: Iterable[Work]) -> List[Any]:
    return [[[asdict(item) for item in items], images, steps] for items, images, steps in work]


def work_from_json(rows: Iterable[Any]) -> List[Work]:
    return [(tuple(WorkItem(**item) for item in items), images, steps) for items, images, steps in rows]


def spend(items: Iterable[WorkItem], phase: str, images: int, steps: int) -> Ledger:
    """The work of `images` images in `steps` steps over a network's items, as entries of `phase`."""
    if images < 0 or steps < 0:
        raise ValueError(f"no work is done on {images} images in {steps} steps")
    ledger = Ledger()
    for item in items:
        ledger.add(
            LedgerEntry(
                phase,
                item.kind,
                item.stage,
                item.precision,
                item.flops_per_image * images + item.flops_per_step * steps,
                item.bytes_per_image * images + item.bytes_per_step * steps,
                item.launches_per_step * steps,
            )
        )
    return ledger
