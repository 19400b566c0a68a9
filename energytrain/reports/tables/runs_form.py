"""`--form runs`: a row a run, with all that one may ask of it, and marks of what keeps it from being compared."""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...quantities.energy import Energy
from ..comparing.costs_to import energy_to_accuracy, why_not
from ..comparing.differences import differences, marks
from ..comparing.repayment import KINDS, repayment
from ..flops import precisions
from ..format import count, provenance, si
from ..given_tickets import given_tickets
from ..source import Source
from ..what_if import MARK, WHAT_IF_MEANS, is_what_if
from .cells import EMPTY, energy_cells, flops_cells, flops_columns, flops_notes, name, number, row_energy
from .comparison_form import any_memorised, run_cells, run_columns
from .people import one_line
from .sheet import Cell, Column, Row, Sheet

Result = Mapping[str, Any]


def runs_sheet(sources: Sequence[Source], target: Optional[float] = None) -> Sheet:
    """target: accuracy in percent to which energy is counted; None: what all finished runs on a data set reached."""
    results = [source.result for source in sources]
    memorised = any_memorised(results)
    seen = precisions(result["useful"] for result in results)
    targets = _targets(results, target)
    rows = tuple(
        Row(tuple(_cells(source, memorised, seen, targets, apart))) for source, apart in zip(sources, marks(results))
    )
    return Sheet("runs", "Runs", _columns(memorised, seen, target), rows, tuple(_notes(sources, seen, targets, target)))


def _columns(memorised: bool, seen: List[str], target: Optional[float]) -> Tuple[Column, ...]:
    reached = "energy to a target accuracy" if target is None else f"energy to {target:g} %"
    run, method, ratio, *rest = run_columns(memorised, flops_columns("useful_", "useful FLOPs", seen))
    return (
        run,
        method,
        Column("model", "model", False),
        Column("dataset", "data set", False),
        ratio,
        Column("seed", "seed"),
        *rest,
        Column("evaluation_joules", "evaluation energy"),
        Column("joules_to_accuracy", reached),
        Column("joules_an_inference_dense", "J an inference, dense"),
        Column("joules_an_inference", "J an inference"),
        Column("inferences_until_repaid", "inferences until the search is repaid"),
        Column("differs", "differs in", False),
    )


def _cells(
    source: Source, memorised: bool, seen: List[str], targets: Mapping[str, float], apart: Sequence[str]
) -> List[Cell]:
    result = source.result
    spec = result["spec"]
    run, method, ratio, *rest = run_cells(source.label, result, memorised, flops_cells(result["useful"], seen))
    return [
        run,
        method,
        name(spec["model"]),
        name(spec["dataset"]),
        ratio,
        number(spec["seed"]),
        *rest,
        _evaluation(result),
        _to_accuracy(result, targets.get(spec["dataset"])),
        *inference_cells(result),
        Cell(one_line("; ".join(apart)), None if not apart else "; ".join(apart)),
    ]


def _evaluation(result: Result) -> Cell:
    """Energy of evaluations, which is no part of the useful one."""
    row = result["evaluation"]
    if not row["images"]:
        return EMPTY
    cell, *_, source = row_energy(row, result["headline"])
    return Cell(cell.text, cell.value, {"provenance": source.value, **source.more})


def _targets(results: Sequence[Result], target: Optional[float]) -> Dict[str, float]:
    """The target accuracy by data set, in percent."""
    if target is not None:
        return {result["spec"]["dataset"]: target for result in results}
    reached: Dict[str, List[float]] = {}
    for result in results:
        if result["accuracy"]["test"] is not None and not result["spec"].get("random_labels"):
            reached.setdefault(result["spec"]["dataset"], []).append(result["accuracy"]["test"])
    return {dataset: float(int(min(found))) for dataset, found in reached.items() if len(found) > 1}


def _to_accuracy(result: Result, target: Optional[float]) -> Cell:
    """All useful energy until the epoch after which the target was first reached, the search included."""
    if target is None:
        return EMPTY
    more: Dict[str, Any] = {"target_percent": target}
    found = energy_to_accuracy(result, target)
    if found is None:
        reason = str(why_not(result, target))
        return Cell(reason.split(":")[0], None, {**more, "reason": reason})
    energy = found["energy"]
    mark = f" {MARK}" if is_what_if(result) and energy["joules"] is not None else ""
    source = "" if energy["joules"] is None else f"\n{provenance(energy)}, epoch {found['epoch']}"
    cell = energy_cells(energy)[0]
    return Cell(
        f"{cell.text}{mark}{source}",
        energy["joules"],
        {
            **more,
            "low": energy["low"],
            "high": energy["high"],
            "provenance": energy["provenance"],
            "epoch": found["epoch"],
            "phase": found["phase"],
            "flops": found["flops"],
            "what_if": bool(mark),
        },
    )


def inference_cells(result: Result) -> Tuple[Cell, Cell, Cell]:
    """Joules an image of the dense and of the trained network, and how many images repay what the search cost."""
    repaid = repayment(result)
    if repaid is not None:
        more = {"provenance": repaid["provenance"], "batch": repaid["batch"]}
        beside = f"\n{repaid['provenance']}, batch {repaid['batch']}"
        inferences, outcome = repaid["inferences"], repaid["outcome"]
        often = {"low": repaid["low"], "high": repaid["high"], "outcome": outcome, "what_if": repaid["what_if"]}
        mark = f" {MARK}" if repaid["what_if"] else ""
        return (
            _an_inference(repaid["joules_an_inference_dense"], beside, more),
            _an_inference(repaid["joules_an_inference"], beside, more),
            Cell(outcome, None, {**more, **often})
            if inferences is None
            else Cell(f"{count(math.ceil(inferences))}{mark}", inferences, {**more, **often}),
        )
    dense, trained = (_measured_or_modelled(result, network) for network in ("dense", "ticket"))
    return dense, trained, EMPTY


def _measured_or_modelled(result: Result, network: str) -> Cell:
    """Of the smallest batch at which it was measured, else modelled."""
    rows = sorted((one for one in result.get("inference") or () if one["network"] == network), key=_batch)
    if not rows:
        return EMPTY
    known = [(one, one[kind]) for kind in KINDS.values() for one in rows if one[kind]["joules"] is not None]
    if not known:
        return Cell("missing", None, {"reason": rows[0]["modelled_an_image"]["reason"]})
    one, energy = known[0]
    beside = f"\n{energy['provenance']}, batch {one['batch']}"
    return _an_inference(energy["joules"], beside, {"provenance": energy["provenance"], "batch": one["batch"]})


def _batch(row: Mapping[str, Any]) -> int:
    return int(row["batch"])


def _an_inference(joules: Optional[float], beside: str, more: Mapping[str, Any]) -> Cell:
    return Cell("missing") if joules is None else Cell(_small(joules) + beside, joules, more)


def _small(joules: float) -> str:
    """Joules of one image, mostly far below one."""
    for factor, unit in ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")):
        if joules >= factor:
            return f"{joules / factor:.3g} {unit}"
    return si(joules / 1e-9, "nJ")


def _notes(
    sources: Sequence[Source], seen: List[str], targets: Mapping[str, float], target: Optional[float]
) -> List[str]:
    results = [source.result for source in sources]
    notes = flops_notes(seen)
    if target is None and targets:
        words = ", ".join(f"{percent:g} % on {one_line(dataset)}" for dataset, percent in targets.items())
        notes.append(f"Target accuracy: {words}, which every finished run here has at its end.")
    notes += given_tickets((one_line(source.label), source.result) for source in sources)
    if targets:
        notes.append("Energy to an accuracy is all useful energy until it was first reached, the search included.")
    if any(map(is_what_if, results)):
        notes.append(WHAT_IF_MEANS)
    notes += mixed_energies(results)
    return notes + [f"Conditions: {one_line(sentence)}." for sentence in differences(results)]


def mixed_energies(results: Sequence[Result]) -> List[str]:
    """That energies in a table are not all of one kind, where they are not."""
    from ..comparing.seed_energies import energy_kind

    known = [r for r in results if Energy.from_json(r["useful"]["energy"]).joules is not None]
    if len({energy_kind(result) for result in known}) < 2:
        return []
    return [
        "The energies here differ in provenance, scope, device, sensor or kind: what is not alike is not to be ranked "
        "or divided."
    ]
