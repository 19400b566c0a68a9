"""What a result says of inference, from marks alone: which windows count, what an image cost, what the model gives."""

import pytest
from runs.script import Script

from energytrain.costs.unit_energies import unit_ratio
from energytrain.devices.profile import load_profile
from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope
from energytrain.quantities.ledger import NetworkBill, WorkItem
from energytrain.runs.account import Accountant
from energytrain.runs.inference import BATCHES, inference_of, left_to_infer
from energytrain.runs.timeline import build_timeline

PROFILE = load_profile("generic-cpu")


def item(flops, image_bytes, step_bytes, precision="fp32", kind="conv"):
    return WorkItem(kind, kind, "forward", precision, flops, image_bytes, 0, step_bytes, 1)


def bill(*items):
    return NetworkBill((), items, 10, 5).to_json()


DENSE = (item(4_000_000, 1_000, 200_000), item(10_000, 8_000, 400, kind="norm"))
SMALL = (item(1_000_000, 500, 60_000), item(5_000, 4_000, 200, kind="norm"))


def phase(script, name, role, *items):
    facts = dict(images=100, steps=10, per_epoch=[], epochs=2)
    return script.mark("phase", phase=name, role=role, bill=bill(*items), **facts)


def trained(role="ticket", items=SMALL):
    script = Script().begin()
    phase(script, "search", "dense", *DENSE)
    script.span("search/0", "search", 0, "training", 2.0, images=100, steps=10)
    phase(script, "retrain", role, *items)
    return script.span("retrain/1", "retrain", 1, "training", 1.0, images=100, steps=10)


def window(script, network, batch, seconds, steps, name="w"):
    place, which = f"{network}, batch {batch}", {"network": network, "batch": batch}
    for what in ("warm-up", "inference"):
        script.mark("start", span=f"{name}/{what}", phase=place, epoch=None, what=what, **which)
        latency = {"median": seconds / steps, "p95": 2 * seconds / steps}
        ended = {"images": batch * steps, "steps": steps, "latency": latency}
        script.mark("end", after=seconds, span=f"{name}/{what}", **ended)
    return script


def networks(script):
    for name, items in (("dense", DENSE), ("ticket", SMALL)):
        script.mark("network", network=name, precision="fp32", items=[i.__dict__ for i in items])
    return script


def at_100_watts(attempt, start, end):
    joules = (end - start) * 1e-7
    gain = ErrorTerm("gain", 0.05 * joules, 0.05 * joules, "gpu")
    return Energy(joules, Provenance.MEASURED, Scope.CHIP, "gpu", (gain,), (end - start) / 1e9)


def rows_of(script, precision="fp32", here=True, profile=PROFILE):
    rows = inference_of(build_timeline(script.events), precision, here, at_100_watts, profile)
    return {(row["network"], row["batch"]): row for row in rows}


def by_hand(items, batch):
    """Joules of an image: of each layer the longer of arithmetic and memory, and its start, at the static power."""
    joules = 0.0
    for one in items:
        flops, moved = one.flops_per_image * batch, one.bytes_per_image * batch + one.bytes_per_step
        rate = PROFILE.peak_flops["fp32"] * PROFILE.efficiency[one.kind]
        seconds = max(flops / rate, moved / (PROFILE.bandwidth * PROFILE.efficiency["memory"]))
        joules += PROFILE.static_watts * (seconds + PROFILE.launch_seconds)
        joules += PROFILE.joules_per_flop["fp32"] * flops + PROFILE.joules_per_byte * moved
    return joules / batch


def test_without_the_phase_both_networks_are_modelled_and_nothing_is_measured():
    rows = rows_of(trained())
    assert list(rows) == [("dense", 1), ("dense", 32), ("ticket", 1), ("ticket", 32)]
    for (network, batch), row in rows.items():
        modelled = row["modelled_an_image"]
        assert modelled["joules"] == pytest.approx(by_hand(DENSE if network == "dense" else SMALL, batch))
        assert modelled["provenance"] == "modelled" and modelled["low"] <= modelled["joules"] / 2
        assert (row["images"], row["images_per_second"], row["latency_seconds"]) == (0, None, None)
        assert row["energy_an_image"]["joules"] is None and "--infer" in row["energy_an_image"]["reason"]
    assert rows["dense", 1]["modelled_an_image"]["joules"] > rows["dense", 32]["modelled_an_image"]["joules"]


def test_a_window_s_joules_are_those_between_its_edges_divided_by_its_images():
    script = window(networks(trained()), "dense", 32, 4.0, 50)
    row = rows_of(script)["dense", 32]
    assert row["images"] == 1600 and row["images_per_second"] == pytest.approx(400)
    assert row["latency_seconds"] == {"median": 0.08, "p95": 0.16}
    energy = row["energy_an_image"]
    assert energy["joules"] == pytest.approx(100 * 4.0 / 1600) and energy["provenance"] == "measured"
    assert energy["low"] == pytest.approx(0.95 * 0.25) and energy["scope"] == "chip"


def test_a_window_that_was_cut_short_is_lost_and_the_next_attempt_s_counts():
    script = window(networks(trained()), "dense", 1, 2.0, 100)
    which = {"network": "ticket", "batch": 1}
    script.mark("start", span="cut", phase="ticket, batch 1", epoch=None, what="inference", **which)
    script.mark("beat", after=1.0, step=70, images=70)
    networks(script.begin())
    window(script, "ticket", 1, 3.0, 200)
    rows = rows_of(script)
    assert rows["dense", 1]["images"] == 100 and rows["ticket", 1]["images"] == 200
    timeline = build_timeline(script.events)
    account = Accountant(timeline, {}, PROFILE, None).account()
    forward = {name: sum(i.flops_per_image for i in items) for name, items in (("dense", DENSE), ("ticket", SMALL))}
    assert account.infer.ledger.flops() == 200 * forward["dense"] + 400 * forward["ticket"]
    assert account.lost.ledger.flops() == 70 * forward["ticket"]
    assert account.useful.seconds == 3.0 and account.useful.ledger.flops() == 0, "inference is never in useful"
    assert account.spent.ledger.flops() == account.infer.ledger.flops() + account.lost.ledger.flops()
    assert account.infer.seconds == 2 * 2.0 + 2 * 3.0


def test_masked_weights_leave_two_networks_of_one_cost():
    rows = rows_of(trained("masked", DENSE))
    for batch in BATCHES:
        assert rows["ticket", batch]["modelled_an_image"] == rows["dense", batch]["modelled_an_image"]


def test_a_network_that_was_never_pruned_is_the_dense_one_alone():
    assert list(rows_of(trained("dense", DENSE))) == [("dense", 1), ("dense", 32)]
    assert rows_of(Script().begin()) == {}


def test_the_dense_network_of_a_given_ticket_is_known_by_the_ticket():
    script = Script().begin()
    script.mark("ticket", phase="prune", draw_epoch=1, dense_bill=bill(*DENSE))
    phase(script, "retrain", "ticket", *SMALL)
    assert rows_of(script)["dense", 1]["modelled_an_image"]["joules"] == pytest.approx(by_hand(DENSE, 1))


def test_emulated_precision_is_modelled_as_the_fp32_that_is_measured():
    assert unit_ratio().value < 1
    eight = (item(1_000_000, 125, 15_000, "bfp8"), item(9, 0, 0, "fp32", "quantise"), SMALL[1])
    row = rows_of(trained(items=eight), precision="bfp8")["ticket", 32]
    assert row["precision"] == "fp32"
    assert row["modelled_an_image"]["joules"] == pytest.approx(by_hand(SMALL, 32))


def test_what_another_machine_took_says_nothing_of_the_device():
    row = rows_of(window(networks(trained()), "dense", 1, 2.0, 100), here=False)["dense", 1]
    assert row["images"] == 0 and "not here" in row["energy_an_image"]["reason"]
    assert row["modelled_an_image"]["joules"] > 0
    assert rows_of(trained(), profile=None)["dense", 1]["modelled_an_image"]["reason"]


def test_a_run_that_was_done_stays_done_while_inference_is_added():
    script = trained().mark("stop", status="done", reason="")
    script.begin().span("set", "infer", None, "setup", 3.0)
    timeline = build_timeline(script.events)
    assert timeline.status == "done"
    account = Accountant(timeline, {}, None, None).account()
    assert account.lost.seconds == 0 and account.overhead.seconds == 3.0


def test_what_is_left_to_infer():
    rows = [{"images": 0}, {"images": 5}]
    assert left_to_infer({"device": {"here": True}, "inference": rows})
    assert not left_to_infer({"device": {"here": True}, "inference": rows[1:]})
    assert not left_to_infer({"device": {"here": False}, "inference": rows})
    assert not left_to_infer({"device": {"here": True}, "inference": None})
