"""What networks cost in use, the dense one and the ticket: latency, images a second and joules an image."""

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ...quantities.energy import Energy
from ..source import Source
from .chart import Axis, Chart, Series
from .energy_accuracy import spans_decades
from .words import energy_words, left_out, names

Row = Mapping[str, Any]
Pair = Tuple[Source, Row]


def inference_charts(sources: Sequence[Source]) -> List[Chart]:
    """Points by run and, as series, by network and batch size. Joules are divided by their kind."""
    pairs = [(source, row) for source in sources for row in source.result.get("inference") or ()]
    charts = [
        *_timed(pairs, "inference-latency", "Latency of a batch", "latency (s)", _median, _p95),
        *_timed(pairs, "inference-rate", "Images a second", "images a second", lambda row: row["images_per_second"]),
    ]
    for part, members in _by_kind(pairs).items():
        charts.append(_energy_chart(part, members))
    return charts


def _median(row: Row) -> Optional[float]:
    return None if row["latency_seconds"] is None else float(row["latency_seconds"]["median"])


def _p95(row: Row) -> Optional[float]:
    return None if row["latency_seconds"] is None else row["latency_seconds"].get("p95")


def _timed(
    pairs: Sequence[Pair],
    key: str,
    title: str,
    axis: str,
    value_of: Callable[[Row], Optional[float]],
    high_of: Optional[Callable[[Row], Optional[float]]] = None,
) -> List[Chart]:
    known = [(source, row) for source, row in pairs if value_of(row) is not None]
    if not known:
        return []
    series = []
    for name, members in _by_network(known).items():
        series.append(
            Series(
                name=name,
                kind="points",
                x=[source.label for source, _ in members],
                y=[value_of(row) for _, row in members],
                y_low=None if high_of is None else [value_of(row) for _, row in members],
                y_high=None if high_of is None else [high_of(row) for _, row in members],
                hover=[f"{source.label}\n{name}: {value_of(row):.4g} {axis}" for source, row in members],
                family=name,
            )
        )
    ends = [value_of(row) for _, row in known] + [high_of(row) for _, row in known if high_of is not None]
    interval = ["Points are medians; bars reach up to the 95th percentile."] if high_of is not None else []
    return [
        Chart(
            key=key,
            title=title,
            x=Axis("run", categories=tuple(dict.fromkeys(source.label for source, _ in known))),
            y=Axis(axis, log=spans_decades(ends)),
            series=tuple(series),
            notes=(*interval, *_where(known)),
        )
    ]


def _where(pairs: Sequence[Pair]) -> List[str]:
    """On which machines runs were timed; which of them are not the device that the run is for."""
    hosts = sorted({str(source.result["device"]["host"]) for source, _ in pairs})
    away = dict.fromkeys(s.label for s, _ in pairs if not s.result["device"]["here"])
    note = [f"Timed on {names(hosts)}" + ("; times of unlike machines are not to be compared." if hosts[1:] else ".")]
    return note + [f"Timed elsewhere than on the device that they are for: {names(list(away))}."] * bool(away)


def _by_network(pairs: Sequence[Pair]) -> Dict[str, List[Pair]]:
    found: Dict[str, List[Pair]] = {}
    for source, row in sorted(pairs, key=lambda pair: (pair[1]["batch"], pair[1]["network"])):
        found.setdefault(f"{row['network']}, batch {row['batch']}", []).append((source, row))
    return found


def _by_kind(pairs: Sequence[Pair]) -> Dict[str, List[Pair]]:
    """The rows that have joules, measured and modelled ones apart; what is measured, by device, host and channels."""
    found: Dict[str, List[Pair]] = {}
    for source, row in pairs:
        device = source.result["device"]
        for name in ("energy_an_image", "modelled_an_image"):
            energy = Energy.from_json(row[name])
            if energy.joules is not None:
                primary = " + ".join(source.result["primary"])
                sensors = f" by {primary} on {device['host']}" if name == "energy_an_image" else ""
                scope = "" if energy.scope is None else f", {energy.scope.value}"
                words = f"{energy.provenance.value}{scope}, {device['name']}{sensors}"
                found.setdefault(words, []).append((source, {**row, "shown": energy}))
    return found


def _energy_chart(words: str, pairs: Sequence[Pair]) -> Chart:
    ends: List[Optional[float]] = []
    series = []
    for name, members in _by_network(pairs).items():
        energies: List[Energy] = [row["shown"] for _, row in members]
        lows, highs = [e.low for e in energies], [e.high for e in energies]
        ends += [*lows, *highs]
        series.append(
            Series(
                name=name,
                kind="points",
                x=[source.label for source, _ in members],
                y=[energy.joules for energy in energies],
                y_low=lows,
                y_high=highs,
                hover=[f"{s.label}\n{name}: {energy_words(row['shown'])}" for s, row in members],
                family=name,
            )
        )
    unmeasured = [
        (s.label, str(row["energy_an_image"]["reason"])) for s, row in pairs if row["energy_an_image"]["joules"] is None
    ]
    return Chart(
        key="inference-energy",
        title=f"Joules an image: {words}",
        x=Axis("run", categories=tuple(dict.fromkeys(source.label for source, _ in pairs))),
        y=Axis("energy an image (J)", log=spans_decades(ends)),
        series=tuple(series),
        notes=(
            f"{words[0].upper()}{words[1:]}; bars are 95 % intervals.",
            *(note.replace("Left out", "Not measured") for note in left_out(sorted(set(unmeasured)))),
        ),
    )
