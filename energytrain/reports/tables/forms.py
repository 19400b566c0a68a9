"""The forms of `report`: runs become sheets."""

from dataclasses import dataclass
from typing import List, Optional, Sequence

from ..source import Source
from .layers_form import layers_sheets
from .paper_form import table2, table3
from .phases_form import phases_sheet
from .runs_form import runs_sheet
from .sheet import Sheet

FORMS = ("runs", "table2", "table3", "phases", "layers")


@dataclass(frozen=True)
class Options:
    """published: the paper's own cells beside ours; margin: of equivalence, in points of accuracy; target_accuracy: to
    which energy is counted, in percent."""

    published: bool = False
    margin: Optional[float] = None
    target_accuracy: Optional[float] = None


def sheets(sources: Sequence[Source], form: str, options: Optional[Options] = None) -> List[Sheet]:
    """The sheets of one of `FORMS`."""
    options = options or Options()
    if form == "table2":
        return table2(sources, options.published, options.margin)
    if form == "table3":
        return table3(sources, options.published, options.margin)
    if form == "phases":
        return [phases_sheet(sources)]
    if form == "layers":
        return layers_sheets(sources)
    return [runs_sheet(sources, options.target_accuracy)]
