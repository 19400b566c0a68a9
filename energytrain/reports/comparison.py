"""Several runs on the terminal: a row each."""

from typing import Any, Dict, List, Mapping, Tuple

from rich import box
from rich.markup import escape
from rich.table import Table

from .bills import HEADINGS, billed
from .flops import PAPER_COUNT, by_precision, cell, paper_count, precision_line, precisions, written
from .format import count, percent, seconds, si
from .what_if import meaning, useful_cells


def comparison_table(results: List[Dict[str, Any]], bill: str = "as-run") -> Table:
    """Several runs side by side, a row each; FLOPs are those on `bill`, by default those that were done.

    Where these are of several precisions they stand apart, and the paper's count, in which runs can be compared, has a
    column. The caption says which precision or what that count is, and what the mark of a what-if energy means.
    """
    # What was trained on random labels is judged by how much of them it took in.
    memorised = any(result["spec"].get("random_labels") for result in results)
    seen = precisions(result["useful"] for result in results)
    apart = bill == "as-run" and len(seen) > 1
    flops = "useful FLOPs" if bill == "as-run" else f"FLOPs on {HEADINGS[bill]}, not as run"
    table = Table(pad_edge=False, collapse_padding=apart, box=box.SIMPLE_HEAD, caption_justify="left", caption_style="")
    columns: List[Tuple[str, str]] = [
        ("run", "left"),
        ("method", "left"),
        ("p", "right"),
        ("status", "left"),
        ("train acc." if memorised else "test acc.", "right"),
        ("draw epoch", "right"),
        ("parameters", "right"),
        (flops, "right"),
        *[(PAPER_COUNT, "right")] * apart,
        ("useful time", "right"),
        ("useful energy", "right"),
        ("95 % bounds", "right"),
        ("provenance", "left"),
    ]
    for column, justify in columns:
        # A name is what people copy: it is folded, never cut.
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for result in results:
        spec, useful, after = result["spec"], result["useful"], result["network"]["after"]
        energy, *more = [(*cells, f"{source} ({result['device']['name']})") for *cells, source in useful_cells(result)]
        table.add_row(
            escape(result["name"]),
            spec["method"],
            f"{result['ticket'].get('prune_ratio', spec['prune_ratio']):g}" if result["ticket"] is not None else "",
            result["status"],
            percent(result["accuracy"]["train" if memorised else "test"]),
            "" if result["ticket"] is None else str(result["ticket"]["draw_epoch"]),
            count(after["parameters"]) if after else "",
            _flops(result, bill, seen),
            *[written(paper_count(useful))] * apart,
            seconds(useful["seconds"]),
            *energy,
        )
        for line in more:
            table.add_row(*[""] * (len(columns) - len(line)), *line)
    notes = [*precision_line(seen)] * (bill == "as-run") + meaning(results)
    table.caption = "\n".join(notes) or None
    return table


def _flops(result: Mapping[str, Any], bill: str, seen: List[str]) -> str:
    if bill == "as-run":
        return cell(by_precision(result["useful"]), seen, written) or "0"
    flops = billed(result, bill).flops
    return "none" if flops is None else si(flops, "")
