"""Tables of one run's meters, of the conditions it was metered under, and of its inference."""

from typing import Any, Dict, List, Mapping, Optional

from ...meters.base import POWER
from ..format import joules, provenance, seconds, share_of_time, si
from ..tables.sheet import Cell, Column, Row, Sheet

UNITS = {"celsius": "°C", "hertz": "Hz", "percent": "%", "limit_watts": "W", "joules": "J", "watts": "W"}


def inference_sheet(result: Mapping[str, Any]) -> Optional[Sheet]:
    """What inference took; None where the run says nothing of it."""
    found = result.get("inference")
    if not found:
        return None
    rows = []
    for one in found:
        latency = one["latency_seconds"] or {}
        cells = [Cell(str(one["network"]), str(one["network"])), Cell(str(one["batch"]), one["batch"])]
        rate = one["images_per_second"]
        cells.append(Cell("missing" if rate is None else si(rate, ""), rate))
        cells += [_seconds(latency.get(name)) for name in ("median", "p95")]
        for name in ("energy_an_image", "modelled_an_image"):
            energy = one[name]
            text = f"{joules(energy)} ({provenance(energy)})" if energy["joules"] is not None else "missing"
            cells.append(Cell(text, energy["joules"]))
        rows.append(Row(tuple(cells)))
    columns = (
        Column("network", "network", numeric=False),
        Column("batch", "batch"),
        Column("images_per_second", "images/s"),
        Column("median_seconds", "median latency"),
        Column("p95_seconds", "95 % latency"),
        Column("joules_an_image", "measured, an image"),
        Column("modelled_joules_an_image", "modelled, an image"),
    )
    return Sheet("inference", "Inference", columns, tuple(rows))


def _seconds(value: Optional[float]) -> Cell:
    return Cell("missing") if value is None else Cell(f"{1000 * value:.3g} ms", value)


def meters_sheet(result: Mapping[str, Any]) -> Optional[Sheet]:
    """The channels of power and energy that were read, and what is known of their errors."""
    rows = []
    for meter in result["meters"]:
        channel = meter["channel"]
        if channel["quantity"] not in POWER:
            continue
        unit, update, span = UNITS[channel["quantity"]], channel["update_seconds"], channel["averaging_seconds"]
        name = channel["name"] + (", primary" if channel["name"] in result["primary"] else "")
        failed = f"{meter['failed']:,}" + (f" ({'; '.join(meter['errors'][:2])})" if meter["errors"] else "")
        cells = (
            Cell(str(meter["attempt"]), meter["attempt"]),
            Cell(name, channel["name"]),
            Cell("energy counter" if unit == "J" else "power", channel["quantity"]),
            Cell(channel["scope"], channel["scope"]),
            Cell(f"{meter['samples']:,}", meter["samples"]),
            Cell(failed, meter["failed"]),
            Cell(f"±{100 * channel['gain_error']:.2g} %", channel["gain_error"]),
            Cell(f"±{si(channel['offset_watts'], 'W')}", channel["offset_watts"]),
            Cell(si(channel["resolution"], unit), channel["resolution"]),
            Cell("unknown") if update is None else Cell(f"{1000 * update:.3g} ms", update),
            Cell("unknown") if span is None else Cell(f"{1000 * span:.3g} ms", span),
        )
        rows.append(Row(cells))
    columns = [Column("attempt", "attempt"), Column("channel", "channel", numeric=False)]
    columns += [Column("quantity", "reads", numeric=False), Column("scope", "scope", numeric=False)]
    titles = ("readings", "failed", "gain error", "offset", "step", "update period", "averages over")
    columns += [Column(title.replace(" ", "_"), title) for title in titles]
    return Sheet("meters", "Meters", tuple(columns), tuple(rows)) if rows else None


def conditions_sheet(result: Mapping[str, Any]) -> Optional[Sheet]:
    """What the sensors said beside power; None where they said nothing."""
    rows = []
    for name, summary in result["conditions"].items():
        unit = UNITS.get(summary["quantity"], "")
        values: List[Cell] = [_condition(summary.get(key), unit) for key in ("min", "mean", "max")]
        shares: Dict[str, float] = summary.get("shares") or {}
        if shares:
            held = ", ".join(f"{value}: {share_of_time(share)}" for value, share in shares.items())
            values = [Cell(""), Cell(held), Cell("")]
        rows.append(Row((Cell(name, name), *values, Cell(seconds(summary["seconds"]), summary["seconds"]))))
    columns = (
        Column("condition", "condition", numeric=False),
        Column("min", "least"),
        Column("mean", "mean"),
        Column("max", "most"),
        Column("seconds", "over"),
    )
    return Sheet("conditions", "Conditions while it trained", columns, tuple(rows)) if rows else None


def _condition(value: Optional[float], unit: str) -> Cell:
    if value is None:
        return Cell("missing")
    return Cell(si(value, unit) if unit in ("Hz", "W") else f"{value:.4g} {unit}".strip(), value)
