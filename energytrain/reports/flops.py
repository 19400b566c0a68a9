"""FLOPs as tables show them: those of one precision are never added to those of another.

Where all work in a table is of one precision, the table names that once. Else a cell has a line for each precision, and
a column of its own has the one figure that runs of unlike precisions share, the paper's count.
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping

from ..quantities.ledger import PRECISIONS, in_order
from .format import si

PAPER_COUNT = "paper's count"
PAPER_COUNT_MEANS = (
    "paper's count: FLOPs of convolutions and linear layers as they were run, a multiply-add in any precision counted "
    "as one in fp32 (You et al. 2020, Table 2). All other FLOPs stand apart by precision."
)

Row = Mapping[str, Any]  # `runs.rows.Row.to_json`


def by_precision(row: Row) -> Dict[str, int]:
    """The FLOPs of a row in each precision in which it has any, in the ledger's order."""
    return in_order(row["flops_by_precision"])


def precisions(rows: Iterable[Row]) -> List[str]:
    """Those in which any of these rows has work, in the ledger's order."""
    seen = {precision for row in rows for precision in by_precision(row)}
    return [precision for precision in PRECISIONS if precision in seen]


def paper_count(row: Row) -> int:
    """FLOPs by the convention of the Early-Bird paper's Table 2, in which one 8-bit multiply-add counts as one of fp32.

    The paper bills convolutions and fully connected layers with three forward passes a training step. Of what a run
    did, its matrix work comes nearest: forward and twice backward, but that the layer which reads the images passes no
    gradient back (0.2 to 2 % less), and with forward passes that the paper leaves out (of checks, and the one that
    averaged weights need). `costs.paper_bill_rules` has the paper's own rule.
    """
    count: int = row["matrix_flops"]
    return count


def precision_line(seen: List[str]) -> List[str]:
    """What is said below a table that has work in the precisions `seen`.

    >>> precision_line(["fp32"])
    ['All FLOPs are in fp32.']
    """
    return [f"All FLOPs are in {seen[0]}."] if len(seen) == 1 else [PAPER_COUNT_MEANS] * bool(seen)


def cell(found: Mapping[str, Any], seen: List[str], write: Callable[[Any], str]) -> str:
    """FLOPs by precision in a table that has work in the precisions `seen`; empty where there are none.

    >>> cell({"fp32": 5e9, "bfp8": 2e12}, ["fp32", "bfp8"], written)
    '5 G fp32\\n2 T bfp8'
    """
    if len(seen) == 1:
        return "".join(write(flops) for flops in found.values())
    return "\n".join(f"{write(flops)} {precision}" for precision, flops in found.items())


def written(flops: float, digits: int = 3) -> str:
    """
    >>> written(2.5e12), written(812)
    ('2.5 T', '812')
    """
    return si(flops, "", digits).strip()


def in_words(row: Row, digits: int = 3) -> str:
    """The FLOPs of a row in a sentence, precisions apart: "5 GFLOPs in fp32 and 2 TFLOPs in bfp8"."""
    parts = [f"{si(flops, 'FLOPs', digits)} in {precision}" for precision, flops in by_precision(row).items()]
    return " and ".join(parts) or "no FLOPs"
