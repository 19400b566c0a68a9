"""Useful and lost: every epoch counts once, whatever was killed in between."""

from runs.script import Script

from energytrain.runs.timeline import build_timeline


def seconds(spans):
    return sum(s.seconds for s in spans)


def test_an_uninterrupted_run_loses_nothing():
    script = Script().begin()
    script.span("s", "setup", None, "setup", 1)
    for epoch in range(3):
        script.span(f"t{epoch}", "train", epoch, "training", 10, images=100, steps=4, loss=1.0)
        script.span(f"e{epoch}", "train", epoch, "evaluation", 2, images=20, steps=1)
    script.mark("stop", status="done", reason="")
    timeline = build_timeline(script.events)
    assert timeline.lost() == []
    assert seconds(timeline.useful()) == 37
    assert timeline.status == "done"
    training = [s for s in timeline.useful() if s.what == "training"]
    assert [(s.epoch, s.images, s.steps, s.marks["loss"]) for s in training] == [(e, 100, 4, 1.0) for e in range(3)]


def test_an_epoch_that_a_kill_undid_counts_once_and_the_rest_is_lost():
    script = Script().begin()
    script.span("s", "setup", None, "setup", 1)
    script.span("t0", "train", 0, "training", 10, images=100, steps=4)
    script.span("t1", "train", 1, "training", 11, images=100, steps=4)
    # Killed three heartbeats into epoch 2, before any checkpoint of epoch 1 was written.
    script.mark("start", span="t2", phase="train", epoch=2, what="training")
    for beat in (1, 2, 3):
        script.mark("beat", after=1, step=beat, images=25 * beat)
    script.now += 1000
    script.begin()
    script.span("s2", "setup", None, "setup", 1.5)
    script.span("u1", "train", 1, "training", 12, images=100, steps=4)
    script.span("u2", "train", 2, "training", 13, images=100, steps=4)
    timeline = build_timeline(script.events)
    useful = [s for s in timeline.useful() if s.what == "training"]
    assert [(s.attempt, s.epoch, s.seconds) for s in useful] == [(1, 0, 10), (2, 1, 12), (2, 2, 13)]
    lost = timeline.lost()
    assert [(s.attempt, s.phase, s.epoch, s.seconds, s.complete) for s in lost] == [
        (1, "train", 1, 11, True),
        (1, "train", 2, 3, False),  # ends at its last heartbeat: the time between attempts is nobody's
        (2, "setup", None, 1.5, True),
    ]
    assert (lost[1].steps, lost[1].images) == (3, 75)
    assert seconds(timeline.useful()) + seconds(lost) == 1 + 10 + 11 + 3 + 1.5 + 12 + 13
    assert [(a.end - a.start) / 1e9 for a in timeline.attempts] == [25, 26.5]


def test_a_new_boot_restarts_the_clock_and_changes_nothing():
    script = Script().begin(boot="a")
    script.now = 5000.0
    script.events[-1]["t"] = int(5000e9)
    script.span("t0", "train", 0, "training", 10, images=1, steps=1)
    script.mark("start", span="t1", phase="train", epoch=1, what="training")
    script.mark("beat", after=2, step=1, images=1)
    script.now = 3.0  # the monotonic clock of the new boot
    script.begin(boot="b")
    script.span("u1", "train", 1, "training", 20, images=1, steps=1)
    timeline = build_timeline(script.events)
    assert [(s.epoch, s.seconds) for s in timeline.useful()] == [(0, 10), (1, 20)]
    assert [(s.epoch, s.seconds) for s in timeline.lost()] == [(1, 2)]


def test_a_baseline_is_neither_useful_nor_lost_and_belongs_to_its_attempt():
    script = Script().begin(baseline=5.0)
    script.span("s", "setup", None, "setup", 1)
    script.span("b", "begin", None, "baseline", 5)
    script.mark("start", span="t0", phase="train", epoch=0, what="training")
    script.mark("beat", after=2, step=3, images=30)
    script.begin(baseline=5.0)
    script.span("b1", "begin", None, "baseline", 5)
    script.span("t1", "train", 0, "training", 10, images=100, steps=10)
    script.mark("start", span="b2", phase="end", epoch=None, what="baseline")
    script.mark("beat", after=3, step=0, images=0)
    timeline = build_timeline(script.events)
    assert [(s.attempt, s.phase, s.seconds, s.complete) for s in timeline.baselines()] == [
        (1, "begin", 5, True),
        (2, "begin", 5, True),
        (2, "end", 3, False),
    ]
    assert {s.what for s in timeline.useful()} == {"setup", "training"}
    assert [(s.what, s.seconds) for s in timeline.lost()] == [("training", 2)]


def test_what_else_an_attempt_notes_stays_with_it():
    script = Script().begin(beside=["a"])
    script.mark("beside", runs=["b"])
    script.mark("observer", cpu_seconds=0.5, seconds=9.0, meters=[{"meter": "nvml", "reads": 9, "cpu_seconds": 0.1}])
    script.begin()
    script.mark("observer", cpu_seconds=0.5, seconds=9.0)
    first, second = build_timeline(script.events).attempts
    assert first.mark["beside"] == ["a", "b"] and "beside" not in second.mark
    assert first.mark["observer"]["meters"][0]["meter"] == "nvml" and "meters" not in second.mark["observer"]


def test_a_lost_recorder_and_an_open_end_are_known():
    script = Script().begin()
    script.mark("recorder", why="the recorder ended")
    timeline = build_timeline(script.events)
    assert timeline.attempts[0].mark["recorder_lost"] == "the recorder ended"
    assert timeline.status == "interrupted"
    assert build_timeline([]).status == "interrupted"
