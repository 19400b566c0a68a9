"""How the mask settled: distances between all epochs of the search (Figure 3 of You et al. 2020) and from each epoch to
the next, with the threshold and the epoch at which the ticket was drawn.
"""

from typing import List, Optional

from ...errors import UsageError
from ..mask_distances import mask_distances
from ..source import Source
from .chart import Axis, Chart, Heat, Series

MOST_EPOCHS = 100  # rows and columns of a matrix that is shown


def mask_charts(source: Source) -> List[Chart]:
    """The matrix where the masks were kept, and the distances of consecutive epochs where there are any."""
    return [*_matrix_chart(source), *_consecutive_chart(source)]


def drawn_after(source: Source) -> Optional[int]:
    """After how many epochs of its own search the run drew its ticket."""
    ticket = source.result["ticket"]
    if ticket is None or ticket.get("given") or ticket.get("draw_epoch") is None:
        return None
    return int(ticket["draw_epoch"])


def _matrix_chart(source: Source) -> List[Chart]:
    try:
        found = mask_distances([source.path])
    except UsageError:  # it watched no masks, or its marks are gone
        return []
    epochs = len(found["names"])
    drawn = drawn_after(source)
    step = -(-epochs // MOST_EPOCHS)
    shown = [i for i in range(epochs) if i % step == 0 or i == epochs - 1 or found["names"][i] == str(drawn)]
    names = tuple(found["names"][i] for i in shown)
    kept = found["kept"][-1]
    notes = [
        f"Hamming distance: the share of channels in which the masks after two epochs differ, not stretched to 0 to 1. "
        f"At a kept share of {kept:.0%}, masks drawn at random would differ in {2 * kept * (1 - kept):.0%}."
    ]
    notes += [f"Every {step}. epoch is shown, {len(shown)} of {epochs}."] if step > 1 else []
    return [
        Chart(
            key="mask-distance-matrix",
            title=f"Mask distance between the epochs of the search: {source.label}",
            x=Axis("epoch of the search", categories=names),
            y=Axis("epoch of the search", categories=names),
            heat=Heat(
                names,
                names,
                [[round(found["distances"][i][j], 4) for j in shown] for i in shown],
                "mask distance (share of channels)",
                marked=str(drawn) if str(drawn) in names else None,
                mark=_drawn_words(source) if str(drawn) in names else "",
            ),
            notes=tuple(notes),
        )
    ]


def _consecutive_chart(source: Source) -> List[Chart]:
    result = source.result
    known = [row for row in result["distances"] if row["distance"] is not None]
    if not known:
        return []
    epochs, distances = [row["epoch"] + 1 for row in known], [row["distance"] for row in known]
    drawn, spec = drawn_after(source), result["spec"]
    by_distance = spec.get("search", "mask-distance") == "mask-distance"
    series = [Series("distance from the epoch before", "line", epochs, distances, family="distance")]
    notes = []
    if by_distance:
        ends = [epochs[0], max(epochs[-1], epochs[0] + 1)]
        eps = spec["eps"]
        series.append(Series(f"eps = {eps:g}", "line", ends, [eps, eps], family="eps", dashed=True))
        rule = f"eps = {eps:g} is the bound of rule '{spec['distance_rule']}' for the last {spec['queue']} distances"
        notes.append(f"{rule}; a search that never keeps it ends with the schedule.")
    if drawn is not None:
        top = max([*distances, spec["eps"]] if by_distance else distances)
        series.append(Series(_drawn_words(source), "line", [drawn, drawn], [0.0, top], family="drawn", dashed=True))
    if result["ticket"] is not None and result["ticket"].get("forced"):
        notes.append("The mask had not settled when the ticket was drawn.")
    return [
        Chart(
            key="mask-distance",
            title=f"Mask distance from epoch to epoch: {source.label}",
            x=Axis("epoch of the search"),
            y=Axis("mask distance (share of channels)"),
            series=tuple(series),
            notes=tuple(notes),
        )
    ]


def _drawn_words(source: Source) -> str:
    return f"ticket drawn after epoch {drawn_after(source)}"
