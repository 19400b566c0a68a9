"""What a run in emulated precision says of energy: its modelled rows held to what its device drew, and a block apart.

Measured joules of emulated epochs are those of the emulation and no figure of the method. Measured joules of other
epochs of the same run, on the device itself, say how far the model is off there.
"""

import dataclasses
from typing import Any, Dict, Optional, Sequence

from ..costs.energy_model import MODEL_VERSION
from ..costs.what_if import Anchor, anchored, what_if
from ..devices.profile import Profile
from ..quantities.energy import total
from .rows import Row


def anchor_of(phases: Sequence[Row]) -> Optional[Anchor]:
    """From the phases of training that are not emulated; None where none of them has both figures, of one scope."""
    known = [
        row
        for row in phases
        if row.epochs
        and not row.emulated
        and row.measured.joules
        and row.modelled.joules
        and row.measured.scope is row.modelled.scope
    ]
    if not known:
        return None
    measured, modelled = total(row.measured for row in known), total(row.modelled for row in known)
    assert measured.joules is not None and modelled.joules is not None
    return Anchor(
        factor=measured.joules / modelled.joules,
        below=measured.below / measured.joules,
        above=measured.above / measured.joules,
        phases=tuple(row.phase for row in known),
    )


def anchored_row(row: Row, anchor: Optional[Anchor], profile: Optional[Profile]) -> Row:
    """The row with its modelled energy anchored."""
    if anchor is None or profile is None:
        return row
    return dataclasses.replace(row, modelled=anchored(row.modelled, anchor, profile))


def what_if_of(
    useful: Row, phases: Sequence[Row], profile: Optional[Profile], anchor: Optional[Anchor]
) -> Dict[str, Any]:
    """The block `what_if` of a result: both figures, or none of them and the `reason`; and what the emulation drew.

    `useful` is anchored already.
    """
    emulated = [row for row in phases if row.emulated]
    block: Dict[str, Any] = {
        "figures": None,
        "reason": None,
        "energy_model": MODEL_VERSION,
        "phases": [row.phase for row in emulated],
        "emulation": total(row.measured for row in emulated).to_json(),
    }
    if profile is None or not useful.parts:
        return {**block, "reason": useful.modelled.reason}
    return {**block, **what_if(useful.modelled, useful.parts, profile, anchor)}
