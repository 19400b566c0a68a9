"""Several runs on the terminal: a row each."""

from typing import Any, Dict, List, Mapping

from rich import box
from rich.markup import escape
from rich.table import Table

from .bills import HEADINGS, billed
from .format import bounds, count, joules, percent, provenance, seconds, si


def comparison_table(results: List[Dict[str, Any]], bill: str = "as-run") -> Table:
    """Several runs side by side, a row each; FLOPs are those on `bill`, by default those that were done."""
    table = Table(pad_edge=False, box=box.SIMPLE_HEAD)
    # What was trained on random labels is judged by how much of them it took in.
    memorised = any(result["spec"].get("random_labels") for result in results)
    for column, justify in (
        ("run", "left"),
        ("method", "left"),
        ("p", "right"),
        ("status", "left"),
        ("train acc." if memorised else "test acc.", "right"),
        ("draw epoch", "right"),
        ("parameters", "right"),
        ("useful FLOPs" if bill == "as-run" else f"FLOPs on {HEADINGS[bill]}, not as run", "right"),
        ("useful time", "right"),
        ("useful energy", "right"),
        ("95 % bounds", "right"),
        ("provenance", "left"),
    ):
        # A name is what people copy: it is folded, never cut.
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for result in results:
        spec, useful, after = result["spec"], result["useful"], result["network"]["after"]
        table.add_row(
            escape(result["name"]),
            spec["method"],
            f"{result['ticket'].get('prune_ratio', spec['prune_ratio']):g}" if result["ticket"] is not None else "",
            result["status"],
            percent(result["accuracy"]["train" if memorised else "test"]),
            "" if result["ticket"] is None else str(result["ticket"]["draw_epoch"]),
            count(after["parameters"]) if after else "",
            _flops(result, bill),
            seconds(useful["seconds"]),
            joules(useful["energy"]),
            bounds(useful["energy"]),
            f"{provenance(useful['energy'])} ({result['device']['name']})",
        )
    return table


def _flops(result: Mapping[str, Any], bill: str) -> str:
    flops = result["useful"]["flops"] if bill == "as-run" else billed(result, bill).flops
    return "none" if flops is None else si(flops, "")
