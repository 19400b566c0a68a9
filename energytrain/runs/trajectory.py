"""How accuracy came with cost: for each judged epoch what the method had cost by then, as the account has it.

Every figure is a sum over all useful spans up to that evaluation, whatever phase they belong to: search, checks,
pruning and retraining; evaluation itself is no part of it. The sums are made by what makes the row `useful` and of the
same spans, so the last entry is that row, unless useful work came after the last evaluation (a run that ended between a
pruning and the next epoch), which no entry has then.
"""

from typing import Any, Dict, List, Optional

from ..quantities.energy import Energy
from ..quantities.ledger import MATRIX_KINDS
from .account import Accountant
from .emulation import anchored_row
from .rows import Account, Row, Tally, sum_of_rows
from .timeline import USEFUL, Span

# Of an energy's JSON form what an entry keeps: error terms would double the size of a long run's result.
KEPT = ("joules", "low", "high", "provenance", "scope", "coverage")
KEPT_OF_MISSING = (*KEPT, "reason", "partial")


def trajectory(accountant: Accountant, account: Account) -> Optional[List[Dict[str, Any]]]:
    """One entry an evaluation that counts, in the order in which they were made; `account` is the accountant's.

    An entry: "phase"; "epoch" (of the schedule, from 0, as in the marks; 0 for a network that is judged right after a
    pruning), "test_accuracy" and "validation_accuracy" (percent, or None), and cumulated "flops", "matrix_flops",
    "flops_by_precision", "seconds" (as they went by here) and "energy": the headline's, with bounds (95 %) but without
    their terms. From the first missing one on it stays missing, with "partial" and that one's "reason". In a run with
    emulated precision it is the modelled energy, which from the first entry with such work on is a what-if (`same_time`
    of `costs.what_if`), never what the emulation drew.

    None where only some epochs of each phase were trained (`measure_epochs`): their costs stand for others.
    """
    if accountant.measure_epochs is not None:
        return None
    tallies: Dict[str, Tally] = {}
    rows: Dict[str, Row] = {}
    entries: List[Dict[str, Any]] = []
    for span in accountant.timeline.useful():
        if span.what in USEFUL:
            tally = tallies.setdefault(span.phase, Tally(span.phase))
            accountant.add(tally, span)
            rows.pop(span.phase, None)
        elif span.what == "evaluation":
            # Only the phase at work has changed since the last entry.
            rows = {name: rows.get(name) or accountant.row_of(tally) for name, tally in tallies.items()}
            whole = anchored_row(sum_of_rows("useful", list(rows.values())), account.anchor, accountant.profile)
            entries.append(_entry(span, whole, account.headline))
            if len(entries) > 1 and "reason" in entries[-2]["energy"]:
                # Of hundreds of windows each would add its own.
                entries[-1]["energy"]["reason"] = entries[-2]["energy"]["reason"]
    return entries


def _entry(span: Span, whole: Row, headline: str) -> Dict[str, Any]:
    energy: Energy = getattr(whole, headline)
    told = energy.to_json()
    return {
        "phase": span.phase,
        "epoch": span.epoch,
        "test_accuracy": span.marks.get("test_accuracy"),
        "validation_accuracy": span.marks.get("validation_accuracy"),
        "flops": whole.ledger.flops(),
        "matrix_flops": whole.ledger.flops(kinds=MATRIX_KINDS),
        "flops_by_precision": whole.ledger.by_precision(),
        "seconds": whole.seconds,
        "energy": {name: told[name] for name in (KEPT_OF_MISSING if energy.joules is None else KEPT)},
    }
