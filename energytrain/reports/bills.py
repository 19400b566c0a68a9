"""Finished runs on a paper's bill: what `report --bill` shows in the place of the FLOPs that a run did."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..costs.paper_bill_rules import Billed, billed_flops
from .flops import in_words
from .format import si

HEADINGS = {"eb-paper": "the Early-Bird paper's bill", "own-paper": "its own paper's bill"}


def billed(result: Mapping[str, Any], bill: str) -> Billed:
    """A run's FLOPs on the bill "eb-paper" or "own-paper", or why there are none; epochs are those that it trained."""
    spec, network = result["spec"], result["network"]
    reason = _not_in_papers(result)
    if reason is not None:
        return Billed(None, reason)
    trained = [row for row in result["phases"] if row["epochs"]]
    retraining = [_epochs(row) for row in trained if row["phase"].startswith("retrain")]
    before = sum(_epochs(row) for row in trained if not row["phase"].startswith("retrain"))
    if not before and spec["ticket"] is not None:
        before = result["ticket"]["draw_epoch"] or 0
    rounds = spec.get("rounds", 1)
    return billed_flops(
        spec["method"],
        bill,
        images=round(trained[0]["images"] / _epochs(trained[0])),
        # A search or a gradual pruning stops somewhere in the schedule; other first trainings are what was trained.
        epochs=spec["epochs"] if _draws(spec) else before or spec["epochs"],
        retrain_epochs=sum(retraining) // rounds if retraining else None,
        rounds=rounds,
        draw_epoch=before or None,
        dense_macs=network["before"]["macs"],
        pruned_macs=network["after"]["macs"],
    )


def bill_lines(results: Sequence[Mapping[str, Any]], bill: str) -> List[str]:
    """Below a table: that the figures are no account of work, and for each run what was billed or why nothing was."""
    lines = [
        f"FLOPs on {HEADINGS[bill]}: images x 3 x FLOPs of the network x epochs, as papers count, a multiply-add in "
        "8 bits as one in fp32; not what was run, and no energy goes with it."
    ]
    for result in results:
        seen = billed(result, bill)
        figure = "none" if seen.flops is None else si(seen.flops, "FLOPs", 4)
        lines.append(f"  {result['name']}: {figure}, {seen.rule} (as run: {in_words(result['useful'], 4)})")
    return lines


def with_bill(result: Mapping[str, Any], bill: str) -> Dict[str, Any]:
    """The result with its figure on a bill, for `--json`."""
    seen = billed(result, bill)
    return {**result, "billed": {"bill": bill, "flops": seen.flops, "rule": seen.rule}}


def _not_in_papers(result: Mapping[str, Any]) -> Optional[str]:
    """Why no paper bills this run, or None."""
    spec, network = result["spec"], result["network"]
    if result["status"] != "done":
        return "the run is not finished"
    if network["before"] is None or network["after"] is None or not any(row["epochs"] for row in result["phases"]):
        return "the run does not say what its networks cost"
    if spec.get("search") == "ppr" and spec["method"] != "early-gradual":
        return "no paper's bill holds the pseudo-prune check, an epoch more for every epoch of the search"
    if spec.get("structured"):
        return "SNIP's papers mask single weights, they remove no channels"
    if spec.get("accuracy_budget") is not None:
        return "no paper's bill holds the choice of the pruning ratio"
    return None


def _draws(spec: Mapping[str, Any]) -> bool:
    return spec["method"] in ("eb-ff", "eb-lf", "eb-ll", "eb-reinit", "random-ticket", "gradual", "early-gradual")


def _epochs(row: Mapping[str, Any]) -> int:
    """The epochs that a phase stands for; where only some were measured, the planned ones."""
    return int(row["planned_epochs"] if row["extrapolated"] else row["epochs"])
