"""What touches the joules of a measured run is a problem; all else is a note; and a quiet run has neither."""

from dataclasses import replace

import numpy as np
import pytest
from runs.script import Script

from energytrain.energy.traces.series import Series, Trace
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Scope
from energytrain.runs.account import Accountant
from energytrain.runs.problems import say_what_happened, training_conditions
from energytrain.runs.timeline import build_timeline

SECOND = 1_000_000_000
WATTS = Channel("nvml:0", "nvml", "gpu", "watts", Scope.CHIP, update_seconds=0.1, averaging_seconds=0.0)
JOULES = replace(WATTS, quantity="joules")


def marks(stop=True, **attempt):
    """One attempt from 0 to 60 s; 5 to 55 s are training. Times on the clock begin at 100 s."""
    script = Script()
    script.now = 100.0
    script.begin(**{"declared": ["nvml"], **attempt})
    script.events[-1]["primary"] = ["nvml:0"]
    script.mark("start", after=5.0, span="t", phase="train", epoch=0, what="training")
    script.mark("end", after=50.0, span="t", images=1, steps=1)
    if stop:
        script.mark("stop", after=5.0, status="done", reason="")
    return script


def recorded(channel=WATTS, seconds=(-1.0, 62.0), silent=None, suspended=None, stepped=None, others=(), complete=True):
    """A trace of 100 W at 10 Hz; a stretch without readings; seconds of sleep at 20 s; a step of the clock at 30 s."""
    t = np.arange(*seconds, 0.1)
    if silent is not None:
        t = t[(t < silent[0]) | (t > silent[1])]
    clock = ((t + 100.0) * SECOND).astype(np.int64)
    values = 100.0 * t + 500.0 if channel.quantity == "joules" else np.full(len(t), 100.0)
    boot = np.where(t > 20.0, (suspended or 0.0) * SECOND, 0).astype(np.int64)
    real = boot + np.where(t > 30.0, (stepped or 0.0) * SECOND, 0).astype(np.int64)
    series = {channel.name: Series(channel, clock, values), **{one.channel.name: one for one in others}}
    anchors = np.stack([clock, clock + boot, clock + real], axis=1)
    return Trace(series, "bench", "boot", 1, anchors, complete)


def told(trace, script=None, here=True):
    events = (script or marks()).events
    events[0]["here"] = here
    timeline = build_timeline(events)
    accountant = Accountant(timeline, {1: trace}, None, None)
    conditions = training_conditions(timeline, {1: trace})
    return say_what_happened(timeline, {1: trace}, accountant, accountant.account(), conditions)


def test_a_quiet_run_has_nothing_to_say():
    assert told(recorded()) == ([], [])
    assert told(recorded(JOULES)) == ([], [])


def test_a_suspended_machine_makes_measured_joules_incomplete_and_others_not():
    problems, notes = told(recorded(suspended=90.0))
    assert (
        len(problems) == 1 and problems[0].startswith("attempt 1: the machine was suspended for 90.0 s") and not notes
    )
    problems, notes = told(recorded(suspended=90.0), here=False)
    assert not problems and "suspended" in notes[0]


def test_a_wall_clock_step_touches_no_joule():
    problems, notes = told(recorded(stepped=-3.0))
    assert not problems
    assert notes == [
        "attempt 1: the wall clock was set back by 3.0 s, 30.0 s after the start; nothing is computed from it"
    ]


def test_a_stall_costs_a_power_channel_its_readings_and_a_counter_nothing():
    problems, notes = told(recorded(silent=(40.0, 44.0)))
    assert any("no reading of 'nvml' for 4." in problem for problem in problems) and not notes
    assert any("the trace covers 9" in problem for problem in problems)
    problems, notes = told(recorded(JOULES, silent=(40.0, 44.0)))
    assert not problems and len(notes) == 1 and "no reading of 'nvml' for 4." in notes[0]


def test_a_trace_without_its_end_is_a_problem_where_readings_are_missing():
    problems, notes = told(recorded(JOULES, seconds=(-1.0, 40.0), complete=False))
    assert any("the trace has no end" in problem and "20." in problem for problem in problems)
    problems, notes = told(recorded(JOULES, complete=False))
    assert not problems and "the trace has no end" in notes[0]


def test_an_attempt_that_was_killed_or_is_at_work_has_no_end_yet():
    script = marks(stop=False)
    assert told(recorded(JOULES, seconds=(-1.0, 55.2), complete=False), script) == ([], [])
    problems, notes = told(recorded(seconds=(-1.0, 52.0), complete=False), marks(stop=False))
    assert not any("no end" in text or "no reading" in text for text in (*problems, *notes))


def condition(name, quantity, value):
    """A condition that has `value` during the first fifth of the training."""
    t = np.arange(0.0, 60.0)
    values = np.where(t < 15.0, value, 0.0)
    channel = Channel(name, "nvml conditions", "gpu", quantity, Scope.CHIP)
    return Series(channel, ((t + 100.0) * SECOND).astype(np.int64), values)


def test_foreign_load_is_a_note_with_its_share_of_the_training():
    foreign = condition("nvml:0 foreign processes", "count", 2.0)
    problems, notes = told(recorded(others=[foreign]))
    assert not problems
    assert notes == ["another process used nvml:0 for 19 % of the training: its energy is in these joules"]
    assert told(recorded(others=[foreign]), here=False).notes == []
    elsewhere = condition("nvml:1 foreign processes", "count", 2.0)
    assert told(recorded(others=[elsewhere])).notes == [], "another GPU is not this run's"


def test_a_condition_that_cannot_be_read_is_no_problem():
    nobody = condition("nvml:0 foreign processes", "count", 0.0)
    assert told(recorded(others=[condition("nvml:0 temperature", "celsius", np.nan), nobody])) == ([], [])


def test_that_nobody_else_was_seen_is_not_taken_from_where_nobody_can_be_seen():
    """As in a container with process ids of its own: NVML tells of the GPU, and not of who uses it."""
    problems, notes = told(recorded(others=[condition("nvml:0 temperature", "celsius", 45.0)]))
    assert not problems and len(notes) == 1
    assert notes[0].startswith("whether other processes used nvml:0 is not known (in a container")
    assert told(recorded(others=[condition("nvml:0 temperature", "celsius", 45.0)]), here=False).notes == []
    assert told(recorded(others=[condition("nvml:1 temperature", "celsius", 45.0)])).notes == []


def test_runs_beside_this_one_are_named_once():
    script = marks(beside=["other"])
    script.events.insert(-1, {**script.events[-1], "kind": "beside", "runs": ["third", "other"]})
    notes = told(recorded(JOULES), script).notes
    assert [note.split("'")[1] for note in notes] == ["other", "third"]
    assert all("its energy is in these joules" in note for note in notes)


def test_a_drift_of_the_idle_power_is_a_note():
    script = Script()
    script.now = 100.0
    script.begin(declared=["nvml"], baseline=5.0).events[-1]["primary"] = ["nvml:0"]
    script.span("b", "begin", None, "baseline", 5).span("t", "train", 0, "training", 45)
    script.span("e", "end", None, "baseline", 5).mark("stop", after=5.0, status="done", reason="")
    trace = recorded(JOULES)
    series = trace.series["nvml:0"]
    t = series.t / SECOND - 100.0
    energy = 100.0 * t + np.where(t > 49.0, 30.0 * (t - 49.0), 0.0) + 500.0  # the last 11 s at 130 W
    trace.series["nvml:0"] = Series(JOULES, series.t, energy)
    problems, notes = told(trace, script)
    assert not problems and len(notes) == 1
    assert "100.0 W before" in notes[0] and "130.0 W after" in notes[0]


@pytest.mark.parametrize("declared", [True, False])
def test_a_meter_that_is_not_here_is_a_problem_only_where_it_was_declared(declared):
    absent = {"meter": "nvml", "why": "no driver", "fix": None, "declared": declared}
    problems, _ = told(recorded(JOULES), marks(unavailable=[absent]))
    assert problems == (["attempt 1: meter 'nvml' could not be used: no driver"] if declared else [])
