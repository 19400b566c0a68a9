"""Inference of real runs: measured after training, added to a run that is done, gone on with after a kill."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from execution.small import SMALL, Recorder, run_small
from execution.test_run import spec_and_data

from energytrain.errors import UsageError
from energytrain.execution import inference
from energytrain.execution.listener import Silent
from energytrain.execution.marks import Marks
from energytrain.execution.metering import Metering
from energytrain.execution.resolve import resolve
from energytrain.execution.run import execute
from energytrain.meters.base import Channel
from energytrain.methods.planned_ledger import planned_ledger
from energytrain.pruning.ticket import Ticket
from energytrain.quantities.energy import Energy, Scope
from energytrain.runs.events import EventWriter, read_events
from energytrain.runs.result import run_result

DRIVER = Path(__file__).with_name("killed_run.py")
PARTS = ("useful", "evaluation", "overhead", "infer", "lost")
BOTH = [("dense", 1), ("dense", 32), ("ticket", 1), ("ticket", 32)]


@pytest.fixture(autouse=True)
def short_windows(monkeypatch):
    monkeypatch.setattr(inference, "WINDOW_SECONDS", 0.02)
    monkeypatch.setattr(inference, "WARM_UP_SECONDS", 0.01)


class Watcher(Recorder):
    def __init__(self):
        super().__init__()
        self.windows = []

    def window(self, network, batch, number, windows):
        self.windows.append((network, batch, number, windows))


def run(folder, **options):
    watcher = Watcher()
    spec, settings = resolve({**SMALL, "epochs": 3, "runs_dir": str(folder), "name": "run", **options})
    return execute(spec, settings, watcher), watcher


def by_window(result):
    return {(row["network"], row["batch"]): row for row in result["inference"]}


def spans(folder, what):
    events = read_events(folder / "run" / "events.jsonl")
    return [(e["network"], e["batch"]) for e in events if e["kind"] == "start" and e["what"] == what]


def test_both_networks_are_measured_and_no_figure_of_the_training_changes(tmp_path):
    plain = run_small(tmp_path, method="eb-ff", epochs=3, name="plain")
    outcome, watcher = run(tmp_path, method="eb-ff", infer=True)
    result = outcome.result
    assert outcome.exit_status == 0 and result["status"] == "done"
    assert result["identity"] == plain.result["identity"] and result["accuracy"] == plain.result["accuracy"]
    assert result["useful"]["flops"] == plain.result["useful"]["flops"]
    spec, data = spec_and_data(outcome)
    assert result["useful"]["flops"] == planned_ledger(spec, data, Ticket.load(outcome.folder / "ticket.json")).flops()
    assert watcher.windows == [(*window, number, 4) for number, window in enumerate(BOTH, 1)]
    rows = by_window(result)
    assert list(rows) == BOTH
    for (_, batch), row in rows.items():
        assert row["images"] >= 20 * batch and row["images"] % batch == 0 and row["precision"] == "fp32"
        assert row["images_per_second"] > 0 and 0 < row["latency_seconds"]["median"] <= row["latency_seconds"]["p95"]
        assert row["energy_an_image"]["joules"] is None and "no meter" in row["energy_an_image"]["reason"]
        assert (
            row["modelled_an_image"]["joules"]
            == by_window(plain.result)[row["network"], batch]["modelled_an_image"]["joules"]
        )
    assert result["infer"]["flops"] > 0 and plain.result["infer"]["flops"] == 0
    assert result["spent"]["flops"] == sum(result[name]["flops"] for name in PARTS)
    ends = [e for e in read_events(outcome.folder / "events.jsonl") if e["kind"] == "end" and "batch" in e["span"]]
    forward = {name: mark["items"] for name, mark in networks_of(outcome.folder).items()}
    flops = {name: sum(item["flops_per_image"] for item in items) for name, items in forward.items()}
    assert result["infer"]["flops"] == sum(e["images"] * flops[e["span"].partition(",")[0]] for e in ends)
    assert flops["ticket"] < flops["dense"]


def networks_of(folder):
    return {e["network"]: e for e in read_events(folder / "events.jsonl") if e["kind"] == "network"}


@pytest.mark.parametrize("method, networks", [("dense", ["dense"]), ("lt", ["dense", "ticket"])])
def test_what_was_not_made_smaller_costs_what_the_dense_network_does(method, networks, tmp_path):
    outcome, _ = run(tmp_path, method=method, epochs=2, infer=True)
    rows = by_window(outcome.result)
    assert list(rows) == [(name, batch) for name in networks for batch in (1, 32)]
    assert len({json.dumps(mark["items"]) for mark in networks_of(outcome.folder).values()}) == 1
    assert all(row["images"] for row in rows.values())


def test_emulated_precision_is_left_out_of_inference_and_that_is_said(tmp_path):
    outcome, watcher = run(tmp_path, method="eb-ll", epochs=2, infer=True)
    assert any("measured in fp32: bfp8 is only emulated" in text for text in watcher.messages)
    assert {row["precision"] for row in outcome.result["inference"]} == {"fp32"}
    assert list(outcome.result["infer"]["flops_by_precision"]) == ["fp32"]


def test_it_can_be_added_to_a_run_that_is_done_and_is_measured_once(tmp_path):
    before, _ = run(tmp_path, method="eb-ff")
    assert not any(row["images"] for row in before.result["inference"])
    outcome, watcher = run(tmp_path, method="eb-ff", infer=True)
    result = outcome.result
    assert not outcome.found_done and not watcher.epochs and len(watcher.windows) == 4
    assert all(row["images"] for row in result["inference"])
    for name in ("useful", "accuracy", "phases", "network"):
        assert result[name] == before.result[name], name
    assert result["lost"]["seconds"] == 0, "setting up for inference undid nothing"
    assert json.loads((outcome.folder / "run.json").read_text())["spec"]["infer"]
    for options in ({"infer": True}, {}):
        again, watcher = run(tmp_path, method="eb-ff", **options)
        assert again.found_done and not watcher.windows and again.result["inference"] == result["inference"]


def test_another_machine_or_a_lost_checkpoint_adds_no_inference(tmp_path, monkeypatch):
    done, _ = run(tmp_path, method="dense", epochs=1)
    record = json.loads((done.folder / "run.json").read_text())
    record["attempts"][-1]["machine"]["cpu"] = "another"
    (done.folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match="under another machine"):
        run(tmp_path, method="dense", epochs=1, infer=True)
    assert run(tmp_path, method="dense", epochs=1)[0].found_done
    for file in (done.folder / "checkpoint").iterdir():
        file.unlink()
    with pytest.raises(UsageError, match="checkpoint is gone"):
        run(tmp_path, method="dense", epochs=1, infer=True, accept_changes=True)
    (done.folder / "events.jsonl").unlink()
    with pytest.raises(UsageError, match="only its result was kept"):
        run(tmp_path, method="dense", epochs=1, infer=True)
    assert run_result(done.folder)["status"] == "done"


def test_of_a_device_that_is_not_here_it_is_modelled_and_nothing_is_measured(tmp_path):
    outcome, watcher = run(tmp_path, method="dense", epochs=1, device="tx2", infer=True)
    assert any("inference is not measured" in text and "no tx2 is here" in text for text in watcher.messages)
    assert not spans(tmp_path, "inference") and outcome.result["infer"]["seconds"] == 0
    assert all(row["modelled_an_image"]["joules"] > 0 and row["images"] == 0 for row in outcome.result["inference"])
    assert run(tmp_path, method="dense", epochs=1, device="tx2", infer=True)[0].found_done


def test_a_budget_that_is_spent_measures_no_window_and_a_larger_one_does(tmp_path):
    part, _ = run(tmp_path, method="dense", epochs=1, infer=True, budget="0.001s")
    assert part.exit_status == 130 and not spans(tmp_path, "inference")
    assert (part.folder / "model.safetensors").exists(), "the training is done and stored"
    whole, watcher = run(tmp_path, method="dense", epochs=1, infer=True, budget="1h")
    assert whole.exit_status == 0 and not watcher.epochs and len(watcher.windows) == 2


def test_killed_in_a_window_it_goes_on_with_what_is_missing(tmp_path):
    """At the third window's start, and once more behind it; no epoch is trained again."""
    arguments = (
        "run --dataset digits --width 0.0625 --limit 256 --epochs 3 --batch-size 64 --eps 1 --queue 1 --align 1 "
        "--infer --method eb-ff --meter none --device generic-cpu --compute cpu --name run --quiet --json --runs-dir"
    ).split()
    cut = {"kill": "span", "phase": "ticket, batch 1", "what": "inference", "window": 0.02}
    for plan, status in ((cut, -signal.SIGKILL), ({"kill": "never", "window": 0.02}, 0)):
        line = [sys.executable, str(DRIVER), json.dumps(plan), *arguments, str(tmp_path)]
        done = subprocess.run(line, capture_output=True, timeout=300)
        assert done.returncode == status, done.stderr.decode()
    result = json.loads(done.stdout)
    assert result["status"] == "done" and all(row["images"] for row in result["inference"])
    assert spans(tmp_path, "inference") == [BOTH[0], BOTH[1], BOTH[2], BOTH[2], BOTH[3]]
    trained = [e for e in read_events(tmp_path / "run" / "events.jsonl") if e.get("what") in ("training", "checkpoint")]
    assert {e["attempt"] for e in trained} == {1}
    assert result["lost"]["seconds"] > 0
    assert result["spent"]["flops"] == sum(result[name]["flops"] for name in PARTS)


def test_joules_an_image_are_those_of_the_window(fake_nvml, tmp_path, monkeypatch):
    """200 W, whatever is done: joules an image are 200 W by the seconds of an image, inside the bounds."""
    monkeypatch.setattr(inference, "UPDATES", 5)
    fake_nvml.be_alone()
    fake_nvml.set(update_ms=20)
    outcome, _ = run(tmp_path, method="eb-ff", infer=True, meter=("nvml",), sample_hz=100.0, baseline=0.0)
    assert outcome.exit_status == 0, outcome.result["problems"]
    for row in outcome.result["inference"]:
        energy, truth = row["energy_an_image"], 200.0 / row["images_per_second"]
        assert energy["provenance"] == "measured" and energy["scope"] == "chip"
        assert energy["low"] <= truth <= energy["high"]
        assert energy["joules"] == pytest.approx(truth, rel=0.5)
        assert Energy.from_json(energy).seconds == pytest.approx(1 / row["images_per_second"])
    infer = outcome.result["infer"]
    assert infer["energy"]["low"] <= 200.0 * infer["seconds"] <= infer["energy"]["high"]


def test_one_baseline_after_training_is_enough(fake_nvml, tmp_path):
    """It is taken before inference warms the device, and never again."""
    fake_nvml.be_alone()
    fake_nvml.set(update_ms=20)
    options = {"method": "dense", "epochs": 1, "meter": ("nvml",), "sample_hz": 100.0, "baseline": 0.2}
    before, _ = run(tmp_path, **options)
    after, _ = run(tmp_path, **options, infer=True)
    marks = read_events(tmp_path / "run" / "events.jsonl")
    assert [m["phase"] for m in marks if m.get("what") == "baseline"] == ["begin", "end"]
    assert after.result["idle"] == before.result["idle"] and after.result["idle"]["watts"] is not None


@pytest.mark.parametrize(
    "facts, seconds",
    [
        ({"update_seconds": 0.001}, 2.0),
        ({"update_seconds": 1.0}, 10.0),
        ({"update_seconds": 0.1, "averaging_seconds": 3.0}, 30.0),
        ({}, 2.0),
    ],
)
def test_a_slow_meter_makes_windows_longer(facts, seconds, monkeypatch):
    class Quick:
        channels = (Channel("a", "m", "s", "watts", Scope.CHIP, **facts),)

        def latest(self):
            return None

    monkeypatch.setattr(inference, "WINDOW_SECONDS", 2.0)
    assert inference.window_seconds(Metering(Quick(), ("a",)), 100.0) == seconds
    assert inference.window_seconds(Metering(Quick(), ("a",)), 1.0) == max(10.0, seconds)
    assert inference.window_seconds(Metering(None, ()), 0.1) == 2.0


def test_a_gpu_is_waited_for_after_each_batch_for_latency_and_seldom_for_throughput(tmp_path, monkeypatch):
    """With a stand-in for the device, of which only the waiting is seen."""
    waits = []
    monkeypatch.setattr(inference, "synchronise", waits.append)
    monkeypatch.setattr(inference, "LATENCY_SECONDS", 0.0)
    monkeypatch.setattr(inference, "QUEUED_SECONDS", 0.05)
    gpu = SimpleNamespace(type="cuda")
    session = SimpleNamespace(device=gpu, spec=SimpleNamespace(precision="fp32", channels_last=False))
    with EventWriter(tmp_path / "events.jsonl", 1) as writer:
        taker = inference._Inference(session, Marks(writer, lambda: None), None, Silent(), 0.1)
        network = torch.nn.Linear(3, 2).train()
        done = taker._window(network, "dense", torch.zeros(4, 3))
    marks = [e for e in read_events(tmp_path / "events.jsonl") if e["kind"] == "end"]
    assert [e["steps"] for e in marks] == [facts["steps"] for facts in done] and network.training
    warm, window = done
    assert warm["steps"] >= inference.WARM_UP_BATCHES + inference.LEAST_BATCHES
    assert window["images"] == 4 * window["steps"]
    assert len(waits) - warm["steps"] < window["steps"], "the device is waited for once for many batches"
    assert all(device is gpu for device in waits) and 0 < window["latency"]["median"] < 0.05
