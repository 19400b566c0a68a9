"""The benchmark scripts answer --help, the two quickest run, and a row's word says what its figure and its bar say."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
FIGURES = {"eight_bit_tickets"}
SHARED = {"side_by_side", "bare_loop", "fake_driver", "metering_rig", "metering_driver", "metering_table"}
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED | FIGURES)
QUICKEST = {"mask_share": 1, "step": 2}  # and how many rows they print
SMALL = ["--json", "--width", "0.0625", "--batch-size", "4", "--repeats", "1", "--steps", "1"]


# Each as its own program, yet in one process: importing torch takes longer than all else here.
RUN_ALL = """
import contextlib, io, json, runpy, sys
told, folder, asked = {}, sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
for name, *arguments in asked:
    printed, status = io.StringIO(), 0
    sys.argv = [name + ".py", *arguments]
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_path(folder + "/" + name + ".py", run_name="__main__")
        except SystemExit as end:
            status = end.code
    told[name + " " + arguments[0]] = [status, printed.getvalue()]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> Dict[str, Tuple[int, str]]:
    """Exit status and output of what the scripts were asked, by script and first option."""
    asked = [[name, "--help"] for name in SCRIPTS] + [[name, *SMALL] for name in QUICKEST]
    command = [sys.executable, "-c", RUN_ALL, str(FOLDER), json.dumps(asked)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return {key: (status, printed) for key, (status, printed) in json.loads(result.stdout).items()}


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    spec = importlib.util.spec_from_file_location("side_by_side", FOLDER / "side_by_side.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["side_by_side"] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


def test_every_bar_has_its_script() -> None:
    named = {"epoch", "fp8", "mask_share", "metering", "quantiser", "recorder_overhead", "report", "step"}
    assert named | {"ticket_speedup", "window_energy"} == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_what_it_compares_and_how_to_run_it(told: Dict[str, Tuple[int, str]], name: str) -> None:
    status, printed = told[f"{name} --help"]
    assert not status
    assert f"python benchmarks/{name}.py" in printed and "--repeats" in printed and "--json" in printed
    assert f"{name}.py" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "rows"), QUICKEST.items())
def test_a_script_prints_its_rows_as_json_and_nothing_else(
    told: Dict[str, Tuple[int, str]], name: str, rows: int
) -> None:
    status, printed = told[f"{name} --json"]
    assert not status
    result = json.loads(printed)
    assert len(result["rows"]) == rows
    for row in result["rows"]:
        assert row["value"] > 0 and row["bar"] > 0 and row["word"] in {"met", "MISSED"}


@pytest.mark.parametrize(
    ("value", "at_least", "low", "high", "word"),
    [
        (1.0, True, None, None, "met"),
        (0.98, True, None, None, "MISSED"),
        (0.98, False, None, None, "met"),
        (1.0, False, None, None, "MISSED"),
        (1.0, True, 0.97, 1.02, "met, within the noise"),
        (0.98, True, 0.97, 1.02, "MISSED, within the noise"),
        (0.97, True, 0.96, 0.98, "MISSED"),
    ],
)
def test_the_word(side_by_side: Any, value: float, at_least: bool, low: Any, high: Any, word: str) -> None:
    assert side_by_side.Row("x", value, 0.99, at_least=at_least, low=low, high=high).word == word


def test_the_interval_of_a_median_is_that_of_its_order_statistics(side_by_side: Any) -> None:
    # Of 5 values the extremes enclose the median in 1 - 2 / 32 of cases, of 6 in 1 - 2 / 64; of 9 the second and the
    # eighth do in 1 - 20 / 512.
    assert side_by_side.median_of([5.0, 1.0, 2.0, 4.0, 3.0]) == (3.0, None, None)
    assert side_by_side.median_of([float(n) for n in range(6)]) == (2.5, 0.0, 5.0)
    assert side_by_side.median_of([float(n) for n in range(9)]) == (4.0, 1.0, 7.0)


def test_contestants_of_a_race_share_the_places(side_by_side: Any) -> None:
    calls: List[str] = []
    contestants = {name: lambda name=name: calls.append(name) for name in ("a", "b")}
    seconds = side_by_side.race(contestants, repeats=4, warm_up=0)
    assert {name: len(values) for name, values in seconds.items()} == {"a": 4, "b": 4}
    firsts = calls[::2]
    assert firsts.count("a") == firsts.count("b") == 2


@pytest.fixture(scope="module")
def metering() -> Iterator[Any]:
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("metering")
    sys.path.remove(str(FOLDER))


def test_an_error_of_a_meter_is_signed_and_taken_from_the_window_without_the_calls(metering: Any) -> None:
    second = 1_000_000_000
    edges = {
        "about": 2.0,
        "called": 0,
        "start": second,
        "end": 3 * second,
        "returned": 4 * second,
        "cpu_seconds": 0.1,
    }
    figures = [{"joules": 0.0}, {"joules": 400.0, "low": 390.0, "high": 410.0}, {"joules": None, "why": "no counter"}]
    windows = [{**edges, **figure} for figure in figures]
    job = metering.Job(metering.TOOLS[0], metering.SENSORS[0], metering.CONSTANT)
    answer = metering.Answer(job, {"first_window_seconds": 0.5}, windows)
    (cell,) = metering.cells_of(answer, [2.0], 3)
    assert (cell.windows, cell.median, cell.mean, cell.worst, cell.with_calls) == (2, -50.0, -50.0, -100.0, -75.0)
    assert (cell.bounds_held, cell.why) == (1, "no counter")
    (cost,) = metering.costs_of([answer], [answer])
    assert (cost.cpu_percent, cost.calls_ms, cost.start_seconds) == (pytest.approx(5.0), 2000.0, 0.5)
    assert "no counter" in metering.error_tables([cell]) and "2 of 3" in metering.error_tables([cell])


@pytest.fixture(scope="module")
def fp8() -> Iterator[Any]:
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("fp8")
    sys.path.remove(str(FOLDER))


def test_fp8_is_refused_in_a_sentence_where_no_gpu_has_it(
    fp8: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fp8.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["fp8.py", "--batch-size", "8"])
    assert fp8.main() == 2
    printed, refused = capsys.readouterr()
    assert printed == "" and refused.count("\n") == 1
    assert refused.startswith("This benchmark needs an NVIDIA GPU with FP8 (Hopper or later): 'cpu' has no FP8")


def test_fp8_rows_are_a_steps_and_none_is_made_up(fp8: Any) -> None:
    from energytrain.quantities.energy import Energy, Provenance, Scope

    def window(joules: float, seconds: float) -> Energy:
        return Energy(joules, Provenance.MEASURED, Scope.CHIP, "nvml:0", seconds=seconds)

    times = {"fp32": 10, "bf16": 20, "fp8": 40}
    gross = {name: [window(800.0, 2.0), window(1000.0, 2.0)] for name in times}
    idle = fp8.Idle(window(100.0, 1.0), window(100.0, 1.0))
    rows = {row.what: row.value for row in fp8.energy_rows(times, gross, idle)}
    assert rows["bf16: gross energy of a step"] == pytest.approx(1800 / 40)
    assert rows["fp8: net energy of a step"] == pytest.approx((1800 - 400) / 80)
    assert rows["gross joules of fp8 over bf16"] == pytest.approx(0.5)
    assert rows["gross joules of fp8 over fp32"] == pytest.approx(0.25)
    gross["bf16"][1] = Energy.missing("the meter was lost", 2.0)
    rows = {row.what: row.value for row in fp8.energy_rows(times, gross, idle)}
    assert sorted(rows) == [f"{name}: {word} energy of a step" for name in ("fp32", "fp8") for word in ("gross", "net")]

    second = 1_000_000_000
    windows = {name: [fp8.Window(0, 2 * second), fp8.Window(5 * second, 9 * second)] for name in times}
    rows = {row.what: row for row in fp8.time_rows(times, windows, 300, 1000.0, dict.fromkeys(times, "so"))}
    assert rows["fp8: a step"].value == pytest.approx(75.0)
    assert "200.00% of the peak of 2 x bf16" in rows["fp8: a step"].note
    assert rows["speed of fp8 over bf16"].value == pytest.approx(2.0)


@pytest.mark.slow
def test_fp8_runs_to_its_end_with_emulated_products() -> None:
    small = ["--allow-cpu", "--width", "0.0625", "--batch-size", "4", "--seconds", "0.2", "--idle-seconds", "0.1"]
    command = [sys.executable, str(FOLDER / "fp8.py"), *small, "--repeats", "1", "--json"]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    rows = {row["what"]: row for row in told["rows"]}
    assert {"fp32: a step", "bf16: a step", "fp8: a step", "speed of fp8 over bf16"} <= set(rows)
    assert "not native" in rows["fp8: a step"]["note"] and "FP8 may save nothing" in told["benchmark"]


@pytest.mark.slow
def test_metering_gives_every_tools_figures_or_why_there_are_none() -> None:
    """The rivals take part where ENERGYTRAIN_RIVALS_VENV names an environment that metering.py has made."""
    rivals = os.environ.get("ENERGYTRAIN_RIVALS_VENV")
    command = [sys.executable, str(FOLDER / "metering.py"), "--quick", "--json", "--repeats", "1"]
    command += ["--rivals-venv", rivals] if rivals else []
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert {cell["tool"] for cell in told["errors"]} >= {"energytrain", "zeus", "codecarbon", "carbontracker"}
    for cell in told["errors"]:
        if cell["tool"] == "energytrain":
            assert cell["windows"] == cell["bounds_held"] == 1
        elif rivals is None:
            assert cell["windows"] == 0 and "not installed" in cell["why"]
        else:
            assert cell["windows"] == 1 and cell["median"] is not None


def _eight_bit_tickets() -> Any:
    spec = importlib.util.spec_from_file_location("eight_bit_tickets", FOLDER / "eight_bit_tickets.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_masks_of_both_precisions_are_compared_by_epoch_and_seed() -> None:
    """Ten channels, of which one more moves; the other precision keeps another one from the first."""
    import numpy as np

    script = _eight_bit_tickets()

    def mask(*dropped: int) -> Any:
        marks = np.ones(10, dtype=bool)
        marks[list(dropped)] = False
        return marks

    full = {0: {1: mask(0, 1), 2: mask(0, 2), 3: mask(0, 2)}, 1: {1: mask(8, 9), 2: mask(8, 9), 3: mask(8, 9)}}
    low = {0: {1: mask(0, 1), 2: mask(0, 1), 3: mask(0, 3)}}
    found = script.compare({"32 bits": full, "8 bits": low, "other kernels": {0: full[0]}})
    assert found["in a row"]["32 bits"][0] == {2: 0.2, 3: 0.0} and found["in a row"]["8 bits"][0] == {2: 0.0, 3: 0.2}
    assert found["8 against 32 bits"] == {0: {1: 0.0, 2: 0.2, 3: 0.2}}
    assert found["other kernels, 32 bits"] == {0: {1: 0.0, 2: 0.0, 3: 0.0}}
    assert found["two seeds, 32 bits"] == {"0, 1": {1: 0.4, 2: 0.4, 3: 0.4}}
    assert found["drawn after"] == {"32 bits": {0: 0, 1: 0}, "8 bits": {0: 0}}
    still = {epoch: 0.05 if epoch > 3 else 0.3 for epoch in range(2, 12)}
    assert script.drawn_after(still) == 8


def test_a_folder_without_such_runs_is_an_error_in_a_sentence(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, str(FOLDER / "eight_bit_tickets.py"), str(tmp_path)], capture_output=True, text=True
    )
    assert told.returncode == 2 and "has no run of eb-ff" in told.stderr and "Traceback" not in told.stderr
