"""Idle baselines of real runs over a fake GPU: taken before and after training, neither useful nor lost."""

import pytest
from execution.small import SMALL, run_small

from energytrain.errors import UsageError
from energytrain.execution.baseline import DEFAULT_SECONDS, baseline_seconds
from energytrain.execution.listener import Silent
from energytrain.execution.resolve import resolve
from energytrain.execution.run import execute
from energytrain.runs.events import read_events

PARTS = ("useful", "evaluation", "overhead", "baseline", "lost")
METERED = {"meter": ("nvml",), "name": "run", "sample_hz": 100.0}


class Watcher(Silent):
    """Keeps what it is told, and calls `first` as training begins and `last` as its last epoch is done."""

    def __init__(self, epochs=0, first=lambda: None, last=lambda: None):
        self.messages, self._epochs, self._first, self._last = [], epochs, first, last

    def message(self, text):
        self.messages.append(text)

    def phase(self, name, first, last):
        if first == 0:
            self._first()

    def epoch(self, report):
        if report.epoch + 1 == self._epochs:
            self._last()


def run_watched(folder, watcher, **options):
    spec, settings = resolve({**SMALL, **METERED, "runs_dir": str(folder), **options})
    return execute(spec, settings, watcher)


def marks(folder):
    return read_events(folder / "run" / "events.jsonl")


def baselines(folder):
    """(attempt, edge, seconds) of every baseline that was finished."""
    begun = {(m["attempt"], m["span"]): m for m in marks(folder) if m.get("what") == "baseline"}
    ends = [m for m in marks(folder) if m["kind"] == "end" and (m["attempt"], m["span"]) in begun]
    pairs = [(begun[end["attempt"], end["span"]], end) for end in ends]
    return [(end["attempt"], begin["phase"], (end["t"] - begin["t"]) / 1e9) for begin, end in pairs]


def test_by_default_a_measured_run_is_idle_for_five_seconds_before_and_after(fake_nvml, tmp_path):
    """At 200 W whatever it does, training adds nothing: the net energy is nothing, within its bounds."""
    fake_nvml.be_alone()
    fake_nvml.set(update_ms=20)
    watcher = Watcher()
    outcome = run_watched(tmp_path, watcher)
    assert outcome.exit_status == 0
    assert any("idle baseline: 5 s before training" in text and "--baseline 0" in text for text in watcher.messages)
    taken = baselines(tmp_path)
    assert [(attempt, edge) for attempt, edge, _ in taken] == [(1, "begin"), (1, "end")]
    assert all(DEFAULT_SECONDS <= seconds < DEFAULT_SECONDS + 2 for _, _, seconds in taken)
    kinds = [mark["what"] for mark in marks(tmp_path) if mark["kind"] == "start"]
    assert kinds[:3] == ["setup", "baseline", "training"]
    assert kinds[-2:] == ["baseline", "checkpoint"], "the last one comes before the network is saved"
    result = outcome.result
    assert result["complete"] and result["notes"] == []
    assert result["baseline"]["seconds"] == pytest.approx(sum(seconds for _, _, seconds in taken))
    assert result["spent"]["seconds"] >= sum(result[part]["seconds"] for part in PARTS) * 0.999
    assert result["idle"]["low"] <= 200.0 <= result["idle"]["high"]
    assert result["idle"]["watts"] == pytest.approx(200.0, rel=0.02)
    for row in (*result["phases"], *(result[part] for part in PARTS if result[part]["seconds"]), result["dense"]):
        net, gross = row["net"], row["measured"]
        assert net["low"] <= 0.0 <= net["high"], row["phase"]
        assert net["provenance"] in ("derived", "extrapolated")
        gain = [term["above"] for term in net["errors"] if term["source"] == "gain"]
        assert sum(gain) < 0.02 * gross["joules"], "of the gain's 5 % only those of the net are left"


def test_net_energy_is_what_training_adds(fake_nvml, tmp_path):
    """The GPU draws 60 W but while the run trains, when it draws 200 W."""
    fake_nvml.set(counter=0, instant=1, update_ms=20, power_mw=60_000)
    watcher = Watcher(20, lambda: fake_nvml.set(power_mw=200_000), lambda: fake_nvml.set(power_mw=60_000))
    outcome = run_watched(tmp_path, watcher, epochs=20, method="dense", baseline=0.5, limit=None)
    useful, idle = outcome.result["useful"], outcome.result["idle"]
    assert useful["net"]["low"] <= 140.0 * useful["seconds"] <= useful["net"]["high"]
    assert useful["net"]["joules"] == pytest.approx(140.0 * useful["seconds"], rel=0.1)
    assert (idle["begin_watts"], idle["end_watts"]) == pytest.approx((60.0, 60.0), rel=0.1)


def test_a_continued_run_takes_one_before_each_attempt_and_one_at_its_end(fake_nvml, tmp_path):
    options = {**METERED, "epochs": 3, "baseline": 0.3}
    stopped = run_small(tmp_path, **options, budget="0.001s")
    assert stopped.exit_status == 130
    net = stopped.result["useful"]["net"]
    assert net["joules"] is None and "the run's status is 'budget'" in net["reason"]
    result = run_small(tmp_path, **options).result
    assert [(attempt, edge) for attempt, edge, _ in baselines(tmp_path)] == [(1, "begin"), (2, "begin"), (2, "end")]
    assert result["useful"]["net"]["joules"] is not None
    assert result["baseline"]["seconds"] == pytest.approx(sum(seconds for _, _, seconds in baselines(tmp_path)))
    setup = [m["t"] for m in marks(tmp_path) if m["attempt"] == 2 and m.get("span", "").startswith("setup")]
    assert result["lost"]["seconds"] == pytest.approx((setup[1] - setup[0]) / 1e9), "no baseline is lost"


def test_it_can_be_left_out(fake_nvml, tmp_path):
    watcher = Watcher()
    result = run_watched(tmp_path, watcher, epochs=1, method="dense", baseline=0.0).result
    assert not any("idle baseline" in text for text in watcher.messages) and baselines(tmp_path) == []
    assert result["baseline"]["seconds"] == 0.0
    assert result["useful"]["net"]["reason"] == "this run took no idle baseline (--baseline 0)"


def test_a_device_that_is_not_here_has_no_idle_power_to_learn(fake_nvml, tmp_path):
    result = run_small(tmp_path, **METERED, device="tx2", epochs=1, method="dense").result
    assert baselines(tmp_path) == []
    assert result["useful"]["measured"]["joules"] is not None
    assert result["useful"]["net"]["reason"] == "this run took no idle baseline"


def test_it_is_five_seconds_unless_asked_otherwise_and_none_without_a_measurement():
    assert baseline_seconds(None, measured=True) == 5.0 and baseline_seconds(2.5, measured=True) == 2.5
    assert baseline_seconds(0.0, measured=True) == 0.0
    assert baseline_seconds(None, measured=False) is None and baseline_seconds(2.5, measured=False) is None


def test_it_is_no_part_of_a_run_s_identity_and_must_be_a_time(tmp_path):
    base = {**SMALL, "runs_dir": str(tmp_path)}
    spec, settings = resolve(base)
    other, changed = resolve({**base, "baseline": 1.0})
    assert spec == other and (settings.baseline, changed.baseline) == (None, 1.0)
    for wrong in (-1.0, float("nan"), 1e9):
        with pytest.raises(UsageError, match="--baseline"):
            resolve({**base, "baseline": wrong})
