"""The rows of a run's account: what a phase, or a sum of phases, took and cost. Plain data."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from ..costs.energy_model import Parts
from ..costs.fp32_twin import EMULATED
from ..costs.what_if import Anchor
from ..quantities.energy import Energy, Provenance, total
from ..quantities.ledger import MATRIX_KINDS, Ledger, Work, WorkItem


@dataclass(frozen=True)
class Row:
    """The cost of one phase, or of a sum of phases. The run's headline is its `measured` energy where the device is
    here, metered and computes in the precision that is trained in, else the `modelled`; the two are never mixed in one
    column. `net` is `measured` without idle. `parts` divide the modelled joules, in runs with emulated precision."""

    phase: str
    epochs: int
    seconds: float
    images: int
    ledger: Ledger
    measured: Energy
    modelled: Energy
    modelled_seconds: Optional[float]
    planned_epochs: Optional[int] = None
    extrapolated: bool = False
    net: Energy = Energy.missing("no idle power was taken off")
    parts: Tuple[Parts, ...] = ()

    @property
    def emulated(self) -> bool:
        """Whether some of its work is in a precision that the device only emulates."""
        return self.ledger.flops(precision=EMULATED) > 0

    def to_json(self, headline: str) -> Dict[str, Any]:
        return {
            "phase": self.phase,
            "epochs": self.epochs,
            "planned_epochs": self.planned_epochs,
            "extrapolated": self.extrapolated,
            "seconds": self.seconds,
            "images": self.images,
            "flops": self.ledger.flops(),
            "matrix_flops": self.ledger.flops(kinds=MATRIX_KINDS),
            "flops_by_precision": self.ledger.by_precision(),
            "bytes": sum(entry.bytes for entry in self.ledger),
            "emulated": self.emulated,
            "energy": getattr(self, headline).to_json(),
            "measured": self.measured.to_json(),
            "net": self.net.to_json(),
            "modelled": self.modelled.to_json(),
            "modelled_seconds": self.modelled_seconds,
        }


@dataclass(frozen=True)
class Account:
    """All rows of a run. `phases` are those of the method, in order; `useful` is their sum; `baseline` is the time that
    the device was kept idle to learn its idle power; `infer` is inference that was measured after training. `what_if`
    says what emulated precision stands for (as in `costs.what_if`), None where nothing was emulated."""

    phases: Tuple[Row, ...]
    evaluation: Row
    overhead: Row
    baseline: Row
    infer: Row
    lost: Row
    useful: Row
    spent: Row
    dense: Optional[Row]
    headline: str
    what_if: Optional[Dict[str, Any]] = None
    anchor: Optional[Anchor] = None


@dataclass
class Tally:
    """What spans of one name come to so far; `Accountant.row_of` makes a row of it. work: images and steps by items."""

    name: str
    epochs: int = 0
    seconds: float = 0.0
    images: int = 0
    work: Dict[Tuple[WorkItem, ...], Tuple[int, int]] = field(default_factory=dict)
    measured: Optional[Energy] = None

    def add_work(self, work: Iterable[Work]) -> None:
        for items, images, steps in work:
            had = self.work.get(items, (0, 0))
            self.work[items] = (had[0] + images, had[1] + steps)

    def add_measured(self, energy: Energy) -> None:
        """Add the energy of one more window; of two that miss the same, the reason is told once."""
        known = self.measured
        if known is None:
            self.measured = total((energy,))
            return
        if known.joules is None and energy.joules is None and str(energy.reason) in str(known.reason):
            energy = dataclasses.replace(energy, reason=known.reason)
        self.measured = total((known, energy))

    def works(self) -> List[Work]:
        return [(items, images, steps) for items, (images, steps) in self.work.items()]


def extrapolated(row: Row, factor: float, planned: int) -> Row:
    """The row of `planned` epochs, from one of fewer: everything `factor` times."""
    ledger = Ledger()
    for e in row.ledger:
        ledger.add(dataclasses.replace(e, flops=round(e.flops * factor), bytes=round(e.bytes * factor)))
    return dataclasses.replace(
        row,
        planned_epochs=planned,
        extrapolated=True,
        seconds=row.seconds * factor,
        images=round(row.images * factor),
        ledger=ledger,
        measured=row.measured.scaled(factor, Provenance.EXTRAPOLATED),
        modelled=row.modelled.scaled(factor),
        modelled_seconds=None if row.modelled_seconds is None else row.modelled_seconds * factor,
        parts=tuple(part.scaled(factor) for part in row.parts),
    )


def sum_of_rows(name: str, rows: Sequence[Row]) -> Row:
    """All rows together, but for their net energy, which is that of the sum."""
    ledger = Ledger()
    for row in rows:
        ledger = ledger + row.ledger
    worked = [row for row in rows if row.modelled_seconds is not None]
    return Row(
        phase=name,
        epochs=sum(row.epochs for row in rows),
        seconds=sum(row.seconds for row in rows),
        images=sum(row.images for row in rows),
        ledger=ledger,
        measured=total(row.measured for row in rows),
        # Drawing a mask is on the search's ledger; the rest of a pruning is seconds without FLOPs.
        modelled=total(row.modelled for row in worked or rows),
        modelled_seconds=sum(row.modelled_seconds or 0.0 for row in worked) if worked else None,
        parts=tuple(part for row in rows for part in row.parts),
    )
