"""What a reader is told under the table of how a run was metered."""

import io

import pytest
from execution.small import run_small
from rich.console import Console

from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope
from energytrain.reports.terminal.metering_lines import metering_lines
from energytrain.reports.terminal.run_table import render_run


@pytest.fixture(scope="module")
def modelled(tmp_path_factory):
    return run_small(tmp_path_factory.mktemp("runs"), method="eb-ff", name="run").result


def energy(joules, provenance=Provenance.MEASURED):
    errors = (ErrorTerm("gain", 0.05 * joules, 0.05 * joules, "gpu"),)
    return Energy(joules, provenance, Scope.CHIP, "nvml:0", errors, 10.0).to_json()


@pytest.fixture
def measured(modelled):
    """The run as a GPU would have measured it: 1.23 kJ a row, of which 1.02 kJ are net."""

    def row(of):
        return {**of, "energy": energy(1234.5), "measured": energy(1234.5), "net": energy(1020.0, Provenance.DERIVED)}

    rows = {name: row(modelled[name]) for name in ("evaluation", "overhead", "useful", "spent", "dense")}
    baseline = {**row(modelled["overhead"]), "phase": "baseline", "flops": 0, "seconds": 10.0}
    return {
        **modelled,
        **rows,
        "phases": [row(phase) for phase in modelled["phases"]],
        "baseline": baseline,
        "headline": "measured",
        "primary": ["nvml:0"],
        "idle": {"watts": 51.3},
    }


def shown(renderable, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def lines(result):
    return "\n".join(metering_lines(result))


def test_net_energy_has_a_line_with_its_bounds(measured):
    text = lines(measured)
    assert "net of 51.3 W idle: " in text and "search 1.02 kJ, prune 1.02 kJ, retrain 1.02 kJ" in text
    assert "useful 1.02 kJ (969 J to 1.07 kJ, derived)" in text


def test_without_net_energy_the_reason_is_said_and_a_modelled_run_has_no_word_of_it(measured, modelled):
    missing = Energy.missing("this run took no idle baseline (--baseline 0)").to_json()
    useful = {**measured["useful"], "net": missing}
    assert "no net energy: this run took no idle baseline (--baseline 0)" in lines({**measured, "useful": useful})
    assert "net" not in lines(modelled).replace("network", "")


def test_the_baseline_has_a_row_of_its_own(measured, modelled):
    assert "\n idle baseline " in shown(render_run(measured), 130)
    assert "idle baseline" not in shown(render_run(modelled), 130)


def test_the_table_of_a_measured_run_is_not_folded_at_100_columns(measured):
    table = shown(render_run(measured), 100).split("test accuracy")[0]
    row = next(line for line in table.splitlines() if line.startswith(" dense instead"))
    assert "1.17 kJ to 1.3 kJ" in row and "measured, chip" in row


def test_heat_and_throttling_are_told(measured):
    conditions = {
        "nvml:0 temperature": {"quantity": "celsius", "meter": "nvml conditions", "min": 40, "mean": 60, "max": 71.0},
        "nvml:1 temperature": {"quantity": "celsius", "meter": "nvml conditions", "min": 40, "mean": 60, "max": 65.0},
        "nvml:0 clock events": {
            "quantity": "flags",
            "meter": "nvml conditions",
            "shares": {"0x1": 0.5, "0x4": 0.123, "0x40": 0.004},
        },
        "ina3221 PMIC-Die temperature": {"quantity": "celsius", "meter": "x", "min": 100, "mean": 100, "max": 100.0},
        "ina3221:thermal throttling": {"quantity": "count", "meter": "x", "mean": 0.1, "max": 1.0, "share": 0.1},
        "nvml:0 SM clock": {"quantity": "hertz", "meter": "nvml conditions", "min": 1e9, "mean": 1e9, "max": 1e9},
    }
    (line,) = [line for line in metering_lines({**measured, "conditions": conditions}) if "while it trained" in line]
    assert "nvml:0 temperature up to 71 °C" in line and "nvml:1" not in line
    assert "nvml:0 throttled (power cap 12 %, hw thermal slowdown 0.4 % of the time)" in line
    assert "ina3221 throttled (thermal throttling 10 % of the time)" in line
    assert "SM clock" not in line and "while it trained" not in lines(measured)


def test_notes_and_problems_are_told_apart(measured):
    text = lines({**measured, "notes": ["another process [x] used nvml:0"], "problems": ["the recorder ended"]})
    assert "note: another process \\[x] used nvml:0" in text and "incomplete: the recorder ended" in text


def test_the_cost_of_observing_is_told_by_meter(measured):
    one = {"cpu_seconds": 0.2, "seconds": 10.0, "meters": [{"meter": "nvml", "reads": 5, "cpu_seconds": 0.1}]}
    older = {"cpu_seconds": 0.2, "seconds": 10.0}
    text = lines({**measured, "observer": [one, one]})
    assert "the recorder used 2.0 % of one processor core (reading nvml 1.00 %)" in text
    assert lines({**measured, "observer": [older]}).count("(reading") == 0
