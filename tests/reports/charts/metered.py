"""A run folder with a known load, written by the project's own writers but without a training: two attempts, the second
after a crash, a stretch that nobody read and readings that failed.
"""

import json
import math

from reports.emulated import bill, committed
from runs.script import Script

from energytrain.energy.traces.trace import TraceWriter
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Scope
from energytrain.runs.folder import FORMAT, SCHEMA_VERSION

HERTZ = 20
UNREAD = (20.0, 23.0)  # seconds of the trace in which nothing was read
FAILED = (31.0, 32.0)  # and in which every read failed
PEAK = 10.0  # the moment of one reading of 400 W
WRAPS_AT = 2000.0
CHANNELS = (
    Channel(
        "gpu power", "fake", "gpu", "watts", Scope.CHIP, resolution=0.001, update_seconds=0.05, averaging_seconds=0.0
    ),
    Channel("gpu counter", "fake", "gpu", "joules", Scope.CHIP, update_seconds=0.05, wraps_at=WRAPS_AT),
    Channel(
        "rail", "fake", "rail", "watts", Scope.RAIL, update_seconds=0.05, averaging_seconds=0.0, part_of="gpu power"
    ),
)


def watts(second):
    """The load: 150 W and a swing of 30 W."""
    return 150.0 + 30.0 * math.sin(second)


def joules(second):
    return 150.0 * second + 30.0 * (1 - math.cos(second))


def metered_run(folder, name="metered"):
    """The folder of a finished run of eb-ff: 2 epochs of search and 3 of retraining, of which a crash undid one."""
    path = folder / name
    (path / "traces").mkdir(parents=True)
    script = _marks()
    spec = {**committed("eb-ff")["spec"], "device": "generic-cpu", "meters": ["fake"], "epochs": 4}
    (path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in script.events))
    record = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "spec": spec,
        "identity": "0" * 64,
        "attempts": [{"number": n, "status": "done", "host": "h", "boot_id": "a", "pid": 1} for n in (1, 2)],
    }
    (path / "run.json").write_text(json.dumps(record))
    begins = [event["t"] * 1e-9 for event in script.events if event["kind"] == "attempt"]
    ends = [max(e["t"] for e in script.events if e["attempt"] == n) * 1e-9 for n in (1, 2)]
    for number, (begin, end) in enumerate(zip(begins, ends), start=1):
        _write_trace(path / "traces" / f"{number}-h.arrows", number, begin, end)
    return path


def readings(begin, end):
    """(seconds, watts or None) of every read of an attempt, in order."""
    for i in range(int((end - begin) * HERTZ) + 1):
        second = begin + i / HERTZ
        if not UNREAD[0] < second < UNREAD[1]:
            failed = FAILED[0] <= second <= FAILED[1]
            yield second, None if failed else 400.0 if abs(second - PEAK) < 1e-6 else watts(second)


def _write_trace(path, attempt, begin, end):
    writer = TraceWriter(path, CHANNELS, attempt, "h", "a")
    for second, value in readings(begin, end):
        t = round(second * 1e9)
        error = "no answer" if value is None else None
        writer.append(0, t, value, error)
        writer.append(1, t, None if value is None else joules(second) % WRAPS_AT, error)
        writer.append(2, t, None if value is None else value / 4, error)
    writer.close()


def _marks():
    script = Script()
    for attempt in (1, 2):
        script.now += 2.0
        script.begin(host="h", trace=f"traces/{attempt}-h.arrows", beside=[], unavailable=[], declared=["fake"])
        script.events[-1]["primary"] = ["gpu power"]
        script.span(f"setup{attempt}", "setup", None, "setup", 1.0)
        if attempt == 1:
            _phase(script, "search", "dense", 0.125, 4)
            for epoch in range(2):
                _epoch(script, "search", epoch, 6.0)
            script.span("prune", "prune", None, "pruning", 1.0, work=[])
            script.mark(
                "ticket", phase="prune", unit="channels", draw_epoch=2, forced=False, given=False, prune_ratio=0.5,
                kept=30, total=48, align=1, widths={"features.1": [10, 16], "features.4": [20, 32]},
                dense={"parameters": 100, "macs": 1000, "flops": 2000}, dense_bill=None, elsewhere=None,
            )  # fmt: skip
            _phase(script, "retrain", "ticket", 0.0625, 2)
            _epoch(script, "retrain", 2, 5.0)
            script.mark("start", span="cut", phase="retrain", epoch=3, what="training")
            script.mark("beat", after=2.0, step=3, images=300)
        else:
            _phase(script, "retrain", "ticket", 0.0625, 2)
            _epoch(script, "retrain", 3, 5.0)
            script.mark("stop", after=0.5, status="done", reason="")
    return script


def _phase(script, name, role, width, epochs):
    script.mark(
        "phase",
        phase=name,
        role=role,
        epochs=epochs,
        images=1000,
        steps=10,
        per_epoch=[],
        check=[],
        bill=bill(width, "fp32").to_json(),
    )


def _epoch(script, phase, epoch, seconds):
    script.span(
        f"{phase}{epoch}", phase, epoch, "training", seconds, images=1000, steps=10, loss=2.0 - epoch / 4,
        accuracy=20.0 * (epoch + 1), **({"distance": None if epoch == 0 else 0.2 / epoch} if phase == "search" else {}),
    )  # fmt: skip
    script.span(
        f"{phase}{epoch}e",
        phase,
        epoch,
        "evaluation",
        1.0,
        images=500,
        steps=5,
        test_accuracy=15.0 * (epoch + 1),
        test_loss=2.5,
    )
