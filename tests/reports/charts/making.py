"""Runs as charts read them, made of a committed result without a training."""

import copy

from reports.emulated import COMMITTED, committed

from energytrain.reports.source import Source


def energy(joules, provenance="modelled", scope="module", reason=None):
    """The JSON form of an energy with an interval of a tenth either way."""
    known = joules is not None
    sides = 0.1 * joules if known else 0.0
    return {
        "joules": joules,
        "low": joules - sides if known else None,
        "high": joules + sides if known else None,
        "provenance": provenance if known else "missing",
        "scope": scope,
        "channel": "model:tx2",
        "seconds": 1.0,
        "coverage": 1.0,
        "reason": None if known else reason or "no meter was recording",
        "partial": None,
        "errors": [{"source": "model", "below": sides, "above": sides, "sensor": "model:tx2"}] if known else [],
    }


def run(name, accuracy=90.0, joules=100.0, method="eb-ff", seed=0, flops=None, draw_epoch=5, **spec):
    """A finished run; flops: of its useful work, all in fp32. Other words change its specification."""
    result = copy.deepcopy(committed("eb-ff"))
    result.update(name=name, trajectory=None, inference=None)
    result["spec"].update(method=method, seed=seed, **spec)
    result["accuracy"]["test"] = accuracy
    result["useful"]["energy"] = result["useful"]["modelled"] = energy(joules)
    if flops is not None:
        result["useful"].update(flops=flops, matrix_flops=flops, flops_by_precision={"fp32": flops})
    if draw_epoch is None:
        result["ticket"] = None
    else:
        result["ticket"]["draw_epoch"] = draw_epoch
    return Source(name, COMMITTED / "eb-ff-s0", result)


def only(charts, key):
    """The one chart whose key begins with `key`."""
    found = [chart for chart in charts if chart.key.startswith(key)]
    assert len(found) == 1, [chart.key for chart in charts]
    return found[0]


def series_of(chart, name):
    found = [series for series in chart.series if series.name == name]
    assert len(found) == 1, [series.name for series in chart.series]
    return found[0]
