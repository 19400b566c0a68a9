"""FLOPs of a forecast, apart by precision."""

from energytrain.quantities.ledger import Ledger, LedgerEntry
from energytrain.suites.flops import flops_of, left_of, mean_flops, planned_flops, sum_of_flops


def ledger(*entries):
    made = Ledger()
    for kind, precision, flops in entries:
        made.add(LedgerEntry("search", kind, "forward", precision, flops, 0, 0))
    return made


def row(count, **by_precision):
    return {"flops_by_precision": by_precision, "matrix_flops": count}


def test_one_precision_has_one_figure_and_several_have_none():
    plain = planned_flops(ledger(("conv", "fp32", 5), ("norm", "fp32", 2)), "planned")
    assert (plain.value, plain.by_precision, plain.paper_count, plain.source) == (7, {"fp32": 7}, 5, "planned")
    mixed = planned_flops(ledger(("conv", "bfp8", 5), ("linear", "fp32", 3), ("norm", "fp32", 2)), "planned")
    assert mixed.value is None and mixed.by_precision == {"fp32": 5, "bfp8": 5} and mixed.paper_count == 8
    assert list(mixed.by_precision) == ["fp32", "bfp8"], "in the ledger's order"


def test_means_sums_and_what_is_left_stay_apart():
    mean = mean_flops([row(4, fp32=2, bfp8=6), row(8, fp32=4, bfp8=8)], "mean of 2 other seeds")
    assert mean.by_precision == {"fp32": 3, "bfp8": 7} and mean.paper_count == 6 and mean.value is None
    left = left_of(mean, row(5, fp32=1, bfp8=9))
    assert left.by_precision == {"fp32": 2, "bfp8": 0} and left.paper_count == 1 and left.value is None
    whole = sum_of_flops([mean, flops_of({"fp32": 10}, 9, "planned")])
    assert whole.by_precision == {"fp32": 13, "bfp8": 7} and whole.paper_count == 15 and whole.value is None
    assert sum_of_flops([]).value == 0 and sum_of_flops([]).by_precision == {}


def test_a_run_in_one_precision_is_forecast_as_before():
    mean = mean_flops([row(4, fp32=6), row(6, fp32=8)], "mean of 2 other seeds")
    assert mean.value == 7 and left_of(mean, row(5, fp32=5, bfp8=0)).value == 2
