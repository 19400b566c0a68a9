"""What a run had cost when it first reached an accuracy: the table's "energy to X %".

It reads the accuracy on test data after every epoch and takes the first that is good enough. Whoever stops there has
chosen an epoch by the test data, so the figure is a little better than a rule that looks at validation data alone could
have made it; it may also be an epoch by luck, after which the accuracy falls below the target again. It is for
comparing methods, all of which are read in this same way.
"""

from typing import Any, Dict, Mapping, Optional

Result = Mapping[str, Any]


def energy_to_accuracy(result: Result, target: float) -> Optional[Dict[str, Any]]:
    """The first judged epoch with a test accuracy of `target` percent or more, and all useful work up to then: the
    search, its checks and the pruning included, evaluation left out (`runs.trajectory`).

    {"epoch" (of the schedule, from 1, as draw epochs are), "phase", "test_accuracy", "flops", "matrix_flops",
    "flops_by_precision", "seconds", "energy" (the headline's, JSON form without error terms)}. None where it was never
    reached or nobody knows (`why_not`). The energy may be missing in itself, with its reason.
    """
    trained = {row["phase"] for row in result["phases"] if row["epochs"]}
    epoch = 0
    for entry in result.get("trajectory") or ():
        # What is judged right after a pruning has trained no further.
        epoch = entry["epoch"] + 1 if entry["phase"] in trained else epoch
        if entry["test_accuracy"] is not None and entry["test_accuracy"] >= target:
            return {**{name: entry[name] for name in entry if name != "validation_accuracy"}, "epoch": epoch}
    return None


def why_not(result: Result, target: float) -> Optional[str]:
    """Why `energy_to_accuracy` has nothing to tell: a word and what it means; None where it has."""
    if energy_to_accuracy(result, target) is not None:
        return None
    entries = result.get("trajectory")
    if entries is None:
        if result["spec"].get("measure_epochs") is not None:
            return "unknown: only some epochs of each phase were trained"
        return "unknown: the marks of its epochs were not kept"
    best = max((one["test_accuracy"] for one in entries if one["test_accuracy"] is not None), default=None)
    if best is None:
        return "unknown: no epoch was judged on test data"
    if result["status"] != "done":
        return f"not reached so far: the best of {len(entries)} judged epochs is {best:.2f} %, the run is not done"
    return f"never reached: the best epoch has {best:.2f} %"
