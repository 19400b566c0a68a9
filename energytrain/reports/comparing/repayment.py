"""Joules an inference, dense and pruned, and after how many inferences what the search cost has been saved.

Both networks at one batch, both measured or both modelled, and the search in the same kind: nothing is mixed.
"""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...quantities.compare import Ratio, minus, ratio
from ...quantities.energy import Energy, total
from ..format import count, si
from ..what_if import MARK, emulated

Result = Mapping[str, Any]

# An inference's energy and that of a row of the account, by provenance; in the order of choice.
KINDS = {"measured": "energy_an_image", "modelled": "modelled_an_image"}


def repayment(result: Result, batch: Optional[int] = None) -> Optional[Dict[str, Any]]:
    """What an image costs both networks, and when the search is repaid; None where they are not both known at a batch.

    batch: None for the smallest at which both are measured, else the smallest at which both are modelled.

    {"joules_an_inference_dense", "joules_an_inference", "provenance", "scope", "batch",
    "search_joules" (every phase up to the last pruning: search, checks, pruning; None where not known), "what_if"
    (whether the search was trained in emulated precision), "inferences" (search over what one saves), "low", "high"
    (its 95 % interval; None for no upper end), "outcome" ("repaid", "never" or "unknown"; "inferences" is None but for
    the first), "training_ratio" (the whole training over a dense one, None where not known), "sentences"}.
    """
    pair = _pair(result, batch)
    if pair is None:
        return None
    kind, at, dense, ticket = pair
    assert dense.joules is not None and ticket.joules is not None
    search, why = _search(result, kind)
    saving = minus(dense, ticket)
    found = None if search is None else ratio(search, saving)
    training = _training_ratio(result, kind)
    return {
        "joules_an_inference_dense": dense.joules,
        "joules_an_inference": ticket.joules,
        "provenance": kind,
        "scope": None if dense.scope is None else dense.scope.value,
        "batch": at,
        "search_joules": None if search is None else search.joules,
        "what_if": any(map(emulated, _search_rows(result))),
        "inferences": None if found is None else found.value,
        "low": None if found is None else found.low,
        "high": None if found is None or math.isinf(found.high) else found.high,
        "outcome": _outcome(saving, found),
        "training_ratio": None if training is None else training.value,
        "sentences": _sentences(saving, found, why, training, *map(_mark, (_search_rows(result), [result["useful"]]))),
    }


def _pair(result: Result, batch: Optional[int]) -> Optional[Tuple[str, int, Energy, Energy]]:
    """(provenance, batch, dense, ticket) of one image."""
    rows = {(row["network"], row["batch"]): row for row in result.get("inference") or ()}
    batches = sorted({at for _, at in rows}) if batch is None else [batch]
    for kind, key in KINDS.items():
        for at in batches:
            if ("dense", at) not in rows or ("ticket", at) not in rows:
                continue
            dense, ticket = (Energy.from_json(rows[network, at][key]) for network in ("dense", "ticket"))
            if dense.joules is not None and ticket.joules is not None and dense.scope is ticket.scope:
                return kind, at, dense, ticket
    return None


def _search_rows(result: Result) -> List[Mapping[str, Any]]:
    """The phases up to the last one that pruned; what follows trains the network that is kept."""
    rows = list(result["phases"])
    last = max((at for at, row in enumerate(rows) if row["phase"].startswith("prune")), default=-1)
    return rows[: last + 1]


def _search(result: Result, kind: str) -> Tuple[Optional[Energy], str]:
    """What finding the ticket cost, in the provenance `kind`, or None and the reason."""
    rows, ticket = _search_rows(result), result["ticket"] or {}
    if not rows:
        return None, "the run has no pruning"
    if kind == "measured" and (result["headline"] != "measured" or any(map(emulated, rows))):
        return None, "its inference was measured, but the search has no measured joules of its own"
    if kind == "modelled" and (result.get("what_if") or {}).get("anchored") is not None:
        return None, "what its search cost is held to measured joules, and an inference is not"
    if kind == "modelled":
        rows = [row for row in rows if row["modelled_seconds"] is not None]  # the rest is no work that is modelled
    parts = [Energy.from_json(row[kind]) for row in rows]
    if ticket.get("given"):
        there = ticket.get("elsewhere")
        alike = there is not None and there["device"] == result["device"]["name"]
        if there is None or not alike or there["energy"]["provenance"] != kind:
            return None, "its ticket was given, and what finding it cost is not known in the same kind of joules"
        parts.append(Energy.from_json(there["energy"]))
    if len({part.scope for part in parts if part.joules}) > 1:
        return None, "its joules are of several scopes"
    whole = total(parts)
    return (None, f"what its search cost is missing: {whole.reason}") if whole.joules is None else (whole, "")


def _training_ratio(result: Result, kind: str) -> Optional[Ratio]:
    """The whole training over that of the dense network for as many epochs."""
    dense, useful = result["dense"], result["useful"]
    if dense is None or (result["ticket"] or {}).get("given") or (kind == "measured" and emulated(useful)):
        return None
    return ratio(Energy.from_json(useful[kind]), Energy.from_json(dense[kind]))


def _outcome(saving: Energy, found: Optional[Ratio]) -> str:
    if saving.joules is not None and saving.joules <= 0:
        return "never"
    return "unknown" if found is None else "repaid"


def _mark(rows: Sequence[Mapping[str, Any]]) -> str:
    """What stands before the provenance of rows with work in emulated precision."""
    return f"{MARK}, " if any(map(emulated, rows)) else ""


def _sentences(
    saving: Energy, found: Optional[Ratio], why: str, training: Optional[Ratio], of_search: str, of_training: str
) -> List[str]:
    """of_search, of_training: the mark of what these cost."""
    assert saving.joules is not None
    if saving.joules <= 0:
        said = ["The search is never repaid by inference: the pruned network saves no energy an inference."]
    elif found is None:
        said = [
            f"After how many inferences the search is repaid is unknown: {why or 'its joules are of another scope'}."
        ]
    else:
        most = "no upper end" if math.isinf(found.high) else count(math.ceil(found.high))
        said = [
            f"The search is repaid after {count(math.ceil(found.value))} inferences "
            f"({of_search}{found.provenance.value}; 95 %: {count(math.ceil(found.low))} to {most}), each of which "
            f"saves {si(saving.joules, 'J')}."
        ]
    if training is not None and training.value < 1:
        said.append(
            f"The whole training, search included, cost {training.value:.2f} x a dense training ({training.low:.2f} to "
            f"{training.high:.2f}, {of_training}{training.provenance.value}): against that one the search was repaid "
            "before the first inference."
        )
    return said
