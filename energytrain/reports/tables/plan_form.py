"""A plan's tables: a row a method and prune ratio, and a row a phase.

A plan comes in the form of a result (`runs.result`), as far as it has one, with the key "plan" for what is its own:
"assumed" in words, "draw_epoch", "epochs", "factor", "profile_title". All its seconds and joules are modelled.
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...quantities.compare import ratio
from ...quantities.energy import Energy
from ..flops import PAPER_COUNT, paper_count, precision_line, precisions
from ..format import count, si
from ..what_if import FIGURES, MARK, emulated, is_what_if, meaning, what_if_energies
from .budget_form import accuracy_cell
from .cells import (
    EMPTY,
    energy_columns,
    flops_cells,
    flops_columns,
    name,
    number,
    row_energy,
    time,
    useful_energy,
)
from .people import one_line
from .runs_form import inference_cells
from .sheet import Cell, Column, Row, Sheet

Result = Mapping[str, Any]
Lines = List[Tuple[str, float, float, float]]

JOULES_PER_KWH = 3.6e6
NOT_UNIFORM = (
    "A real ticket is not uniform: ranked over the whole network, channels go where scales are small, and mostly more "
    "FLOPs stay than in a uniform one (of VGG16 on CIFAR-10 at p = 0.3 the Early-Bird paper's tickets have 0.81 of the "
    "dense FLOPs, a uniform one 0.49). --ticket plans a real one."
)


@dataclass(frozen=True)
class PlanOptions:
    """grid: grams of CO2e for a kWh, None for no such column; accuracies: what was measured of a plan, by its place
    (`planning.measured.Measured` as JSON); left_out: (method, why)."""

    grid: Optional[float] = None
    accuracies: Optional[Mapping[int, Mapping[str, Any]]] = None
    left_out: Sequence[Tuple[str, str]] = ()


def plan_sheet(results: Sequence[Result], options: PlanOptions) -> Sheet:
    """A row a plan; `of dense` is of the whole schedule on the dense network."""
    seen = precisions(result["useful"] for result in results)
    measured = options.accuracies
    columns = [
        Column("method", "method", False),
        Column("prune_ratio", "p"),
        Column("epochs", "epochs"),
        Column("draw_epoch", "draw epoch"),
        Column("parameters", "parameters"),
        *flops_columns("useful_", "FLOPs", seen),
        Column("flops_of_dense", "FLOPs of dense" if len(seen) == 1 else f"{PAPER_COUNT} of dense"),
        Column("modelled_seconds", "time (modelled)"),
        *energy_columns("useful", "energy"),
        Column("energy_of_dense", "energy of dense"),
        *([Column("co2e_grams", "CO2e")] if options.grid is not None else []),
        Column("joules_an_inference_dense", "J an inference, dense"),
        Column("joules_an_inference", "J an inference"),
        Column("inferences_until_repaid", "inferences until the search is repaid"),
        *([Column("measured_accuracy_percent", "measured test acc.")] if measured is not None else []),
    ]
    rows = []
    for place, result in enumerate(results):
        cells = [
            name(result["spec"]["method"]),
            _ratio(result),
            number(result["plan"]["epochs"]),
            number(result["plan"]["draw_epoch"]),
            _parameters(result),
            *flops_cells(result["useful"], seen),
            _flops_of_dense(result),
            _seconds(result["useful"]),
            *useful_energy(_named_with_factor(result)),
            _energy_of_dense(result),
            *([_co2e(result, options.grid)] if options.grid is not None else []),
            *inference_cells(result),
            *([accuracy_cell(measured.get(place))] if measured is not None else []),
        ]
        rows.append(Row(tuple(cells)))
    notes = plan_notes(results, options) + precision_line(seen) + meaning(results)
    return Sheet("plan", _title(results), tuple(columns), tuple(rows), tuple(notes))


def phases_sheet(results: Sequence[Result]) -> Sheet:
    """A row a phase of each plan, their sum, and the dense training instead."""
    parts = [(result, [*result["phases"], result["useful"], result["dense"]]) for result in results]
    seen = precisions(row for _, found in parts for row in found)
    columns = (
        Column("method", "method", False),
        Column("prune_ratio", "p"),
        Column("phase", "phase", False),
        Column("epochs", "epochs"),
        Column("images", "images"),
        *flops_columns("", "FLOPs", seen),
        Column("bytes", "bytes"),
        Column("modelled_seconds", "time (modelled)"),
        *energy_columns("energy", "energy"),
    )
    rows = []
    for result, found in parts:
        for at, row in enumerate(found):
            title = "dense instead" if row is result["dense"] else str(row["phase"])
            cells = (
                name(result["spec"]["method"]),
                _ratio(result),
                name(title),
                number(row["epochs"] or None),
                number(row["images"] or None, count(row["images"])),
                *flops_cells(row, seen),
                number(row["bytes"] or None, si(row["bytes"], "B")),
                _seconds(row),
                *row_energy(row, "modelled"),
            )
            rows.append(Row(cells, "total" if row is result["useful"] else "run", opens=at == 0))
    return Sheet("plan_phases", "Phases of each plan", columns, tuple(rows), tuple(meaning(results)))


def plan_notes(results: Sequence[Result], options: PlanOptions) -> List[str]:
    """What is modelled and how well, what is assumed of which plan, what was left out."""
    notes = [_modelled(results[0])]
    assumed: Dict[str, List[str]] = {}
    for result in results:
        if result["plan"]["assumed"]:
            assumed.setdefault(result["plan"]["assumed"], []).append(result["spec"]["method"])
    notes += [f"Assumed of {', '.join(dict.fromkeys(methods))}: {words}." for words, methods in assumed.items()]
    if any("every layer loses" in words for words in assumed):
        notes.append(NOT_UNIFORM)
    notes.append("Evaluation after each epoch is no part of these figures, as it is none of a run's useful cost.")
    if options.grid is not None:
        notes.append(f"CO2e: {options.grid:g} g for each kWh, of what the profile covers alone.")
    differs: Dict[str, List[str]] = {}
    for place, one in (options.accuracies or {}).items():
        if one["differs"]:
            differs.setdefault("; ".join(one["differs"]), []).append(one_line(results[place]["name"]))
    notes += [f"Measured accuracies of {', '.join(names)}: of runs with {words}." for words, names in differs.items()]
    return notes + [f"Left out: {method}: {one_line(why)}" for method, why in options.left_out]


def _modelled(result: Result) -> str:
    plan, device = result["plan"], one_line(result["device"]["name"])
    if plan["factor"] is None:
        return f"{device} has no profile, so neither seconds nor joules can be modelled."
    return (
        f"Seconds and joules are modelled, not measured: by the profile {result['device']['profile']} "
        f"({one_line(plan['profile_title'])}; energy model {result['energy_model']}). "
        f"The truth may lie a factor of {plan['factor']:g} above or below the joules (95 %)."
    )


def _title(results: Sequence[Result]) -> str:
    spec = results[0]["spec"]
    return one_line(f"Plan: {spec['model']} on {spec['dataset']}, {results[0]['device']['name']}")


def _ratio(result: Result) -> Cell:
    ratio_ = result["plan"]["prune_ratio"]
    return number(ratio_, "" if ratio_ is None else f"{ratio_:g}")


def _parameters(result: Result) -> Cell:
    after = result["network"]["after"]["parameters"]
    return number(after, count(after))


def _flops_of_dense(result: Result) -> Cell:
    value = paper_count(result["useful"]) / paper_count(result["dense"])
    return Cell(f"{value:.3g}", value)


def _seconds(row: Mapping[str, Any]) -> Cell:
    seconds = row["modelled_seconds"]
    return EMPTY if seconds is None else time(seconds)


def _named_with_factor(result: Result) -> Result:
    """With how far the model may be off beside the device's name."""
    factor, device = result["plan"]["factor"], result["device"]
    return result if factor is None else {**result, "device": {**device, "name": f"{device['name']}, x/÷ {factor:g}"}}


def _energies(result: Result) -> List[Tuple[str, Energy]]:
    """The useful energy, of a what-if both figures with their marks."""
    if not is_what_if(result):
        return [("", Energy.from_json(result["useful"]["energy"]))]
    return [(f" {MARK} {FIGURES[figure]}", energy) for figure, energy in what_if_energies(result).items()]


def _energy_of_dense(result: Result) -> Cell:
    dense = Energy.from_json(result["dense"]["energy"])
    lines: Lines = []
    for mark, energy in _energies(result):
        found = ratio(energy, dense)
        if found is not None:
            lines.append((f"{found.value:.3g}{mark}", found.value, found.low, found.high))
    return _of_lines(lines, result)


def _co2e(result: Result, grid: Optional[float]) -> Cell:
    lines: Lines = []
    for mark, energy in _energies(result):
        if energy.joules is not None and energy.low is not None and energy.high is not None and grid is not None:
            value, low, high = (joules / JOULES_PER_KWH * grid for joules in (energy.joules, energy.low, energy.high))
            lines.append((f"{si(value, 'g')} ({si(low, 'g')} to {si(high, 'g')}){mark}", value, low, high))
    return _of_lines(lines, result)


def _of_lines(lines: Lines, result: Result) -> Cell:
    if not lines:
        return EMPTY
    (_, value, low, high), *others = lines
    more: Dict[str, Any] = {"low": low, "high": high, "provenance": "modelled", "what_if": emulated(result["useful"])}
    for _, other, other_low, other_high in others:
        more["paper_convention"] = {"value": other, "low": other_low, "high": other_high}
    return Cell("\n".join(text for text, *_ in lines), value, more)
