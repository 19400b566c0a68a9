"""The charts that there are: those of all runs together, and those of one run."""

from dataclasses import replace
from typing import Dict, List, Sequence

from ..source import Source
from .chart import Chart
from .draw_epochs import draw_epoch_charts
from .energy_accuracy import energy_against_accuracy
from .inference import inference_charts
from .layers import energy_by_layer, kept_by_layer
from .learning import learning_charts
from .masks import mask_charts
from .phase_costs import energy_by_phase, flops_by_phase
from .power import power_charts
from .trajectories import accuracy_by_cost


def overview(sources: Sequence[Source]) -> List[Chart]:
    """The charts of all runs; a chart of which there is nothing to show is left out. Their keys are unique."""
    return _numbered(
        [
            *energy_against_accuracy(sources),
            *energy_by_phase(sources),
            *flops_by_phase(sources),
            *accuracy_by_cost(sources),
            *draw_epoch_charts(sources),
            *inference_charts(sources),
        ]
    )


def details(source: Source) -> List[Chart]:
    """The charts of one run; their keys are unique among these."""
    return _numbered(
        [
            *power_charts(source),
            *mask_charts(source),
            *kept_by_layer(source),
            *energy_by_layer(source),
            *learning_charts(source),
        ]
    )


def _numbered(charts: Sequence[Chart]) -> List[Chart]:
    """With "-2", "-3" and so on behind the key of the second and later charts of one kind."""
    seen: Dict[str, int] = {}
    found = []
    for chart in charts:
        seen[chart.key] = seen.get(chart.key, 0) + 1
        found.append(replace(chart, key=f"{chart.key}-{seen[chart.key]}") if seen[chart.key] > 1 else chart)
    return found
