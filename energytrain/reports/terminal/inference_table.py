"""Inference under one run's table: latency, images a second and joules an image of the dense and the trained network.

Measured or modelled joules, never both in one column; a network's rows are compared only in one precision.
"""

from typing import Any, List, Mapping, Optional, Sequence

from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ...quantities.compare import ratio
from ...quantities.energy import Energy
from ..format import bounds, joules, provenance, si

Row = Mapping[str, Any]


def inference_parts(result: Mapping[str, Any]) -> List[RenderableType]:
    """A table with lines below it where inference was measured, one line where it is modelled alone, else nothing."""
    rows = result.get("inference") or ()
    if not any(row["images"] for row in rows):
        line = modelled_line(rows)
        return [] if line is None else [Text.from_markup(line)]
    return [Text(), _table(rows), *(Text.from_markup(line) for line in inference_lines(rows))]


def modelled_line(rows: Sequence[Row]) -> Optional[str]:
    """What an image would cost by the model alone; None where nothing can be modelled."""
    if not rows or any(row["modelled_an_image"]["joules"] is None for row in rows):
        return None
    told = []
    for batch in dict.fromkeys(row["batch"] for row in rows):
        each = (f"{row['network']} {joules(row['modelled_an_image'])}" for row in rows if row["batch"] == batch)
        told.append(f"{' and '.join(each)} at batch {batch}")
    return f"an image in inference: {', '.join(told)} ({provenance(rows[0]['modelled_an_image'])})"


def inference_lines(rows: Sequence[Row]) -> List[str]:
    """The trained network against the dense one at each batch, and why joules are missing."""
    kind = _kind(rows)
    found = {(row["network"], row["batch"]): row for row in rows}
    lines = []
    for batch in dict.fromkeys(row["batch"] for row in rows):
        if ("ticket", batch) in found and ("dense", batch) in found:
            lines += _against(found["ticket", batch], found["dense", batch], kind)
    reasons = dict.fromkeys(row["energy_an_image"]["reason"] for row in rows if row["energy_an_image"]["reason"])
    return lines + [f"inference has no measured joules: {escape(reason)}" for reason in reasons]


def _table(rows: Sequence[Row]) -> Table:
    kind = _kind(rows)
    precisions = " and ".join(dict.fromkeys(row["precision"] for row in rows))
    title = f"inference: the forward pass alone, in {precisions}"
    table = Table(title=title, title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD)
    table.add_column("network", overflow="fold")
    for column in ("batch", "median latency", "95 % latency", "images/s", "an image", "95 % bounds"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("provenance", overflow="fold")
    for row in rows:
        energy = row[kind]
        table.add_row(
            row["network"], str(row["batch"]), *_speed(row), joules(energy), bounds(energy), provenance(energy)
        )
    return table


def _speed(row: Row) -> List[str]:
    if not row["images"]:
        return ["missing"] * 3
    latency = row["latency_seconds"]
    return [si(latency["median"], "s"), si(latency["p95"], "s"), si(row["images_per_second"], "").strip()]


def _kind(rows: Sequence[Row]) -> str:
    """Which of a row's energies is shown: measured ones where there are any."""
    measured = any(row["energy_an_image"]["joules"] is not None for row in rows)
    return "energy_an_image" if measured else "modelled_an_image"


def _against(ticket: Row, dense: Row, kind: str) -> List[str]:
    if ticket["precision"] != dense["precision"]:
        return []
    told = []
    if ticket["images"] and dense["images"]:
        latencies = [row["latency_seconds"]["median"] for row in (ticket, dense)]
        told.append(f"{latencies[0] / latencies[1]:.2f} x its latency")
        told.append(f"{ticket['images_per_second'] / dense['images_per_second']:.2f} x its images/s")
    saved = ratio(Energy.from_json(ticket[kind]), Energy.from_json(dense[kind]))
    if saved is not None:
        told.append(
            f"{saved.value:.2f} x its joules an image ({saved.low:.2f} to {saved.high:.2f}, {saved.provenance.value})"
        )
    return [f"ticket against dense at batch {ticket['batch']}: {', '.join(told)}"] if told else []
