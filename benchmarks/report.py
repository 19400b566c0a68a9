"""`energytrain report` over many run folders: the table from cached results, the same figures computed anew, the page.

The folders are copies of real runs, each under a seed of its own: of one small run that is made here, metered over a
fake GPU (needs gcc), or of those that --run names. Every figure is the time of a whole process.

    python benchmarks/report.py
    python benchmarks/report.py --run runs/demo --run runs/other --runs 1000 --repeats 5
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, List

from fake_driver import fake_driver
from side_by_side import Row, arguments, median_of, show

COMMAND = [sys.executable, "-m", "energytrain"]
TRAINING = ["run", "--dataset", "digits", "--method", "eb-ff", "--epochs", "10", "--meter", "nvml", "--name", "metered"]
KEPT = ("run.json", "events.jsonl", "ticket.json")
PAGE_BYTES = 8_000_000


def energytrain(*args: str) -> str:
    return subprocess.run([*COMMAND, *args], check=True, stdout=subprocess.PIPE, text=True).stdout


def seconds(*args: str) -> float:
    began = time.perf_counter()
    energytrain(*args)
    return time.perf_counter() - began


def copy(template: Path, folder: Path, seed: int) -> None:
    """What a report reads of a run, as the run of another seed."""
    folder.mkdir(parents=True)
    for name in KEPT:
        if (template / name).exists():
            shutil.copyfile(template / name, folder / name)
    if (template / "traces").is_dir():
        shutil.copytree(template / "traces", folder / "traces")
    record = json.loads((folder / "run.json").read_text())
    record["spec"]["seed"] = seed
    (folder / "run.json").write_text(json.dumps(record))


def figures(text: str) -> List[Any]:
    """The results of `--json`, without what says only when they were computed."""
    results = json.loads(text)
    for result in results:
        result.pop("stamps", None)
    return list(results)


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--runs", type=int, default=1000, help="run folders (default %(default)s)")
    parser.add_argument("--run", action="append", type=Path, help="a run to copy, repeatable; default: one made here")
    parser.add_argument("--no-page", action="store_true", help="leave out the page (plotly is not installed)")
    asked = parser.parse_args()
    if asked.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(asked.threads)

    with tempfile.TemporaryDirectory() as scratch:
        templates = asked.run
        if not templates:
            with fake_driver(power_mw=200_000, update_ms=20):
                energytrain(*TRAINING, "--runs-dir", scratch)
            templates = [Path(scratch) / "metered"]
        runs = Path(scratch) / "runs"
        for number in range(asked.runs):
            copy(templates[number % len(templates)], runs / f"run-{number:04d}", number)

        began = time.perf_counter()
        computed = energytrain("report", str(runs), "--recompute", "--json")
        rows = [Row("results computed from marks and traces", time.perf_counter() - began, unit="s")]
        same = figures(energytrain("report", str(runs), "--json")) == figures(computed)
        table = median_of([seconds("report", str(runs)) for _ in range(asked.repeats)])
        rows.insert(0, _row("table from cached results", table, 3.0))
        rows.append(Row("cached figures that equal recomputed ones", 100.0 * same, 100.0, unit="%"))
        if not asked.no_page:
            page = Path(scratch) / "page.html"
            times = [seconds("report", str(runs), "--html", str(page)) for _ in range(asked.repeats)]
            rows.append(_row("page from cached results", median_of(times), 10.0))
            size = page.stat().st_size
            rows.append(Row("size of the page", size / 1e6, PAGE_BYTES / 1e6, at_least=False, unit="MB"))
    show(f"energytrain report over {asked.runs:,} run folders", rows, asked.json)


def _row(what: str, found: Any, bar: float) -> Row:
    middle, low, high = found
    return Row(what, middle, bar, at_least=False, unit="s", low=low, high=high)


if __name__ == "__main__":
    main()
