"""Useful and lost: every epoch counts once, whatever was killed in between."""

from energytrain.runs.timeline import build_timeline


class Script:
    """Marks with a clock that the test moves, in seconds."""

    def __init__(self):
        self.events, self.now, self.attempt = [], 0.0, 0

    def mark(self, kind, after=0.0, **fields):
        self.now += after
        self.events.append({"kind": kind, "t": int(self.now * 1e9), "attempt": self.attempt, **fields})
        return self

    def begin(self, boot="a", **fields):
        self.attempt += 1
        return self.mark("attempt", boot_id=boot, here=True, primary=[], **fields)

    def span(self, name, phase, epoch, what, seconds, **end):
        self.mark("start", span=name, phase=phase, epoch=epoch, what=what)
        return self.mark("end", after=seconds, span=name, **end)


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


def test_a_lost_recorder_and_an_open_end_are_known():
    script = Script().begin()
    script.mark("recorder", why="the recorder ended")
    timeline = build_timeline(script.events)
    assert timeline.attempts[0].mark["recorder_lost"] == "the recorder ended"
    assert timeline.status == "interrupted"
    assert build_timeline([]).status == "interrupted"
