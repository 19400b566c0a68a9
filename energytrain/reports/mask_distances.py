"""How far apart masks are: between the epochs of one run's search, or between the tickets of several runs.

Hamming distances as in Figure 3 of You et al. 2020 and of "The sooner the better", not stretched to [0, 1].
"""

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Table
from rich.text import Text

from ..errors import UsageError
from ..runs.masks import Marks, distance, search_masks, ticket_mask

BLOCK = 1 << 16  # marks at a time: their products are counts that fp32 holds exactly


def mask_distances(folders: Sequence[Path]) -> Dict[str, Any]:
    """{"between", "names", "kept" (share kept), "distances" (a full symmetric matrix)}.

    One run: its search's epochs. Several: their tickets. Raises UsageError where there is nothing to compare.
    """
    if len(folders) == 1:
        found = search_masks(folders[0])
        names, masks = [str(epoch) for epoch in found], list(found.values())
        if len(masks) < 2:
            raise UsageError(
                f"'{folders[0]}' watched no masks.", "Name a run of an eb-* method, or several runs with tickets."
            )
        return _matrix("epochs of the search", names, masks)
    return _matrix("tickets", [folder.name for folder in folders], [ticket_mask(folder) for folder in folders])


def _matrix(between: str, names: List[str], masks: List[Marks]) -> Dict[str, Any]:
    for other in masks[1:]:
        distance(masks[0], other)  # refuses masks of different networks
    rows = _distances(np.stack(masks)).tolist()
    return {"between": between, "names": names, "kept": [float(mask.mean()) for mask in masks], "distances": rows}


def _distances(marks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """`runs.masks.distance` of any two rows, exactly: marks kept in both are counted by a product of matrices."""
    both = np.zeros((len(marks), len(marks)))
    for start in range(0, marks.shape[1], BLOCK):
        block = marks[:, start : start + BLOCK].astype(np.float32)
        both += block @ block.T
    kept = np.diag(both)
    distances: npt.NDArray[np.float64] = (kept[:, None] + kept[None, :] - 2 * both) / marks.shape[1]
    return distances


def distance_table(found: Dict[str, Any], width: int) -> Table:
    """The matrix as a table; where it is wider than `width` characters, the columns are spread over what fits."""
    names = found["names"]
    longest = max(map(len, names))
    fits = max(2, (width - longest - 2) // 6)
    step = -(-len(names) // fits)
    columns = [i for i in range(len(names)) if i % step == 0 or i == len(names) - 1]
    short = [name if longest <= 4 else str(number + 1) for number, name in enumerate(names)]
    title = f"mask distance between {found['between']}" + (f" (every {step}. column)" if step > 1 else "")
    table = Table(title=title, title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD)
    table.add_column("" if longest <= 4 else "#")
    for i in columns:
        table.add_column(short[i], justify="right")
    for i, row in enumerate(found["distances"]):
        label = names[i] if longest <= 4 else f"{short[i]} {names[i]}"
        cells = [Text("-") if i == j else Text(f"{row[j]:.3f}"[1:] if row[j] < 1 else "1") for j in columns]
        table.add_row(Text(label), *cells)
    return table
