"""Results of trainings in 8-bit block floating point, made by hand: of a committed result, with the work of a bill."""

import copy
import functools
import json
from pathlib import Path

from energytrain.costs.bill import network_bill
from energytrain.costs.energy_model import parts_of, predict
from energytrain.devices.profile import load_profile
from energytrain.models.catalog import build
from energytrain.quantities.energy import Energy
from energytrain.quantities.ledger import spend
from energytrain.runs.emulation import what_if_of
from energytrain.runs.rows import Row, sum_of_rows

COMMITTED = Path(__file__).resolve().parents[1] / "kept_runs"
SHAPE = (3, 16, 16)
PROFILE = "tx2"
IMAGES, STEPS = 1000, 10  # of each phase
WIDTHS = {"train": 0.125, "search": 0.125, "retrain": 0.0625}


@functools.lru_cache(maxsize=None)
def bill(width, precision):
    return network_bill(build("vgg16", classes=10, width=width, size=SHAPE[1]), SHAPE, precision=precision)


def committed(method):
    return copy.deepcopy(json.loads((COMMITTED / f"{method}-s0" / "result.json").read_text()))


def result(method, seed=0, *, base=None, **precisions):
    """A finished run of `method`; precisions: of its training phases by name, fp32 where none is given.

    base: the committed run that it is made of, "dense" or "eb-ff".
    """
    made = committed(base or ("dense" if method == "dense" else "eb-ff"))
    made["name"], made["spec"]["method"], made["spec"]["seed"] = f"{method}-s{seed}", method, seed
    profile, rows = load_profile(PROFILE), []
    for at, phase in enumerate(made["phases"]):
        if phase["epochs"]:
            items = bill(WIDTHS[phase["phase"]], precisions.get(phase["phase"], "fp32")).training
            rows.append(_row(phase, items, profile))
            made["phases"][at] = rows[-1].to_json("modelled")
    useful = sum_of_rows("useful", rows)
    for name in ("useful", "spent"):
        made[name] = {**useful.to_json("modelled"), "phase": name}
    made["evaluation"] = _row(made["evaluation"], bill(0.0625, "fp32").evaluation, profile).to_json("modelled")
    if made["dense"] is not None:
        made["dense"] = _row(made["dense"], bill(0.125, "fp32").training, profile).to_json("modelled")
    emulated = any(row.emulated for row in rows)
    made["what_if"] = what_if_of(useful, rows, profile, None) if emulated else None
    return json.loads(json.dumps(made))


def _row(row, items, profile):
    energy = predict(items, IMAGES, STEPS, profile).energy
    return Row(
        phase=row["phase"],
        epochs=row["epochs"],
        seconds=row["seconds"],
        images=IMAGES,
        ledger=spend(items, row["phase"], IMAGES, STEPS),
        measured=Energy.missing("no meter was recording"),
        modelled=energy,
        modelled_seconds=energy.seconds,
        parts=(parts_of(items, IMAGES, STEPS, profile),),
    )


def four(seed=0):
    """dense, eb-ff, eb-lf (search in 8 bits), eb-ll (both in 8 bits)."""
    return [
        result("dense", seed),
        result("eb-ff", seed),
        result("eb-lf", seed, search="bfp8"),
        result("eb-ll", seed, search="bfp8", retrain="bfp8"),
    ]


def flops_by_hand(width, precision, kinds=None, of=None):
    """Of one phase, from the items of the bill; `of`: those that are counted in this precision."""
    return sum(
        item.flops_per_image * IMAGES + item.flops_per_step * STEPS
        for item in bill(width, precision).training
        if (kinds is None or item.kind in kinds) and of in (None, item.precision)
    )
