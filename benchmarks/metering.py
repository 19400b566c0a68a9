"""energytrain beside Zeus, CodeCarbon and carbontracker: the same fake GPU, the same loads, the same windows.

The tests' libnvidia-ml.so.1 stands in for the driver, and every tool is used as its own documentation says to
(benchmarks/metering_driver.py). Printed are errors in percent of the true joules, signed, median / worst of the
windows, so -100 is a tool that gave 0 J. The truth is the load's integral between the return of the tool's first call
and the begin of its last. All tools meet the same phases of load and sensor. GPUs without a counter are of a
generation that had none (Pascal), but for the one whose readings are means of 1 s (Ada). The fake has no gain error
and answers at once. Nothing here uses a network: CodeCarbon is its offline tracker, carbontracker's look-up of its
place is refused.

Read the loads as what they are: a square of 1 s meets CodeCarbon and carbontracker, which read the power once a second,
at one phase all through a window; a square of 100 ms does the same to every sensor of instantaneous power here. Zeus
reads the power of a GPU without a counter without ever pausing, so its share of a core is what the machine has left.

    python benchmarks/metering.py --rivals-venv DIR          # makes DIR with benchmarks/metering_rivals.txt, once
    python benchmarks/metering.py --rivals-venv DIR --quick  # fewer cells

Without --rivals-venv the rivals are looked for beside energytrain; one that is not there shows a dash.
"""

import json
import os
import platform
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, List, Sequence

from fake_driver import fake_driver
from metering_rig import Answer, Job, Rig, Sensor, Tool, Window, rivals_python
from metering_table import as_json, bounds_line, cells_of, cost_table, costs_of, error_tables
from side_by_side import arguments
from window_energy import Load

TOOLS = (
    Tool("energytrain", "energytrain"),
    Tool("zeus", "zeus", {"approx": False}),
    Tool("zeus, approx", "zeus", {"approx": True}),
    Tool("codecarbon", "codecarbon"),
    Tool("codecarbon, 1 s", "codecarbon", {"measure_power_secs": 1}),
    Tool("carbontracker", "carbontracker"),
)
MAXWELL, ADA, HOPPER = 3, 8, 9  # of the sensors of the first nothing is known
POWER_ONLY = {"counter": 0, "instant": 1, "arch": MAXWELL, "cc_major": 5}
SENSORS = (
    Sensor("counter, 100 ms", 100, {"instant": 1, "arch": HOPPER, "cc_major": 9}),
    Sensor("counter, 20 ms", 20, {"instant": 1, "arch": HOPPER, "cc_major": 9}),
    Sensor("power, 100 ms", 100, POWER_ONLY),
    Sensor("power, 20 ms", 20, POWER_ONLY),
    Sensor("power, 100 ms, means of 1 s", 100, {"counter": 0, "average_ms": 1000, "arch": ADA, "cc_major": 8}),
)
CONSTANT = Load("constant 200 W", 200)
STILL = Load("the same, readings stand still", 200)
LOADS = (
    CONSTANT,
    STILL,
    Load("square 400/100 W, 1 s", 400, 100, 1000),
    Load("square 400/100 W, 1.03 s", 400, 100, 1030),
    Load("square 400/100 W, 100 ms", 400, 100, 100),
)
FLICKER_MW = 500  # real power readings do; those of STILL do not
LENGTHS = (0.5, 2.0, 5.0, 10.0)
GAP_SECONDS = (1.1, 1.6)  # carbontracker's thread and CodeCarbon's timers come to rest in between


def plan(lengths: Sequence[float], repeats: int, seed: int) -> List[Window]:
    """Every length so often, up to a tenth longer or shorter, shuffled, at random distances.

    No exact lengths: those that are whole multiples of an update or of a load's period flatter whoever ignores edges.
    """
    draw = random.Random(seed)
    shuffled = [length for length in lengths for _ in range(repeats)]
    draw.shuffle(shuffled)
    windows, now = [], 0.0
    for about in shuffled:
        now += draw.uniform(*GAP_SECONDS)
        windows.append(Window(now, about * draw.uniform(0.9, 1.1), about))
        now += windows[-1].seconds
    return windows


def jobs_of(tool: Tool, sensors: Sequence[Sensor], loads: Sequence[Load]) -> List[Job]:
    return [
        Job(tool, sensor, load, noise_mw=0 if sensor.counter or load is STILL else FLICKER_MW)
        for sensor in sensors
        for load in loads
        if not (sensor.counter and load is STILL)
    ]


def is_busy(job: Job) -> bool:
    """Whether the tool polls the GPU without a pause, and so leaves no room for others on its core."""
    return job.tool.driver == "zeus" and not job.sensor.counter


def measured(rig: Rig, jobs: Sequence[Job], windows: Sequence[Window], at_once: int) -> List[Answer]:
    """Tool by tool, so that none waits for another's processor time; a tool's own GPUs side by side."""
    answers: List[Answer] = []
    for busy in (False, True):
        for tool in TOOLS:
            mine = [job for job in jobs if job.tool == tool and is_busy(job) == busy]
            size = min(at_once, os.cpu_count() or 1) if busy else at_once
            for first in range(0, len(mine), size):
                print(f"{tool.name}: {len(answers)} of {len(jobs)} done", file=sys.stderr)
                answers += rig.run(mine[first : first + size], windows)
    return answers


def started(rig: Rig, jobs: Sequence[Job], repeats: int) -> List[Answer]:
    """Each tool opens a first window, one after the other; a first round, that fills the disk's cache, is left out."""
    rounds = [[rig.run([job], [])[0] for job in jobs] for _ in range(1 + repeats)]
    return [answer for answers in rounds[1:] for answer in answers]


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--rivals-venv", type=Path, metavar="DIR", help="the rivals' environment, made if absent")
    parser.add_argument("--quick", action="store_true", help="2 sensors, 2 loads, windows of 0.5 and 2 s, twice each")
    parser.add_argument("--tool", action="append", choices=[tool.name for tool in TOOLS], help="only this; repeatable")
    parser.add_argument("--at-once", type=int, default=24, help="drivers side by side (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    repeats = min(asked.repeats, 2) if asked.quick else asked.repeats
    lengths = LENGTHS[:2] if asked.quick else LENGTHS
    sensors = (SENSORS[0], SENSORS[2]) if asked.quick else SENSORS
    loads = (LOADS[0], LOADS[2]) if asked.quick else LOADS
    tools = [tool for tool in TOOLS if asked.tool is None or tool.name in asked.tool]
    rivals = Path(sys.executable) if asked.rivals_venv is None else rivals_python(asked.rivals_venv)

    with fake_driver() as fake, tempfile.TemporaryDirectory(prefix="energytrain-") as folder:
        rig = Rig(Path(folder), fake.env["LD_LIBRARY_PATH"], rivals)
        alone = [Job(tool, sensor, CONSTANT) for tool in tools for sensor in (SENSORS[0], SENSORS[2])]
        starts = started(rig, alone, 1 if asked.quick else repeats)
        jobs = [job for tool in tools for job in jobs_of(tool, sensors, loads)]
        answers = measured(rig, jobs, plan(lengths, repeats, asked.seed), asked.at_once)
    in_order = sorted(answers, key=lambda answer: jobs.index(answer.job))
    cells = [cell for answer in in_order for cell in cells_of(answer, lengths, repeats)]
    costs = costs_of(in_order, starts)
    head = title(in_order, repeats)
    if asked.json:
        print(json.dumps({**head, **as_json(cells, costs)}, indent=2))
    else:
        print(f"{head['benchmark']}\n{head['machine']}; {', '.join(head['versions'])}\n")
        print("\n\n".join(filter(None, [error_tables(cells), bounds_line(cells), cost_table(costs)])))


def title(answers: Sequence[Answer], repeats: int) -> Any:
    versions = {answer.job.tool.driver: answer.ready["version"] for answer in answers if answer.ready}
    return {
        "benchmark": f"error in percent of the true joules, median / worst of {repeats} windows",
        "machine": f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), Python {platform.python_version()}",
        "versions": [f"{name} {version}" for name, version in versions.items()],
    }


if __name__ == "__main__":
    main()
