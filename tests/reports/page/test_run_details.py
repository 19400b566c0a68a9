"""What the page says of one run: its facts, its meters, and how each number came about."""

import json

import pytest
from reports.emulated import result as emulated

from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope
from energytrain.reports.page.device_sheets import conditions_sheet, inference_sheet
from energytrain.reports.page.origins import origin
from energytrain.reports.page.run_details import between, run_details
from energytrain.reports.source import Source


def row(energy, **more):
    return {"energy": energy.to_json(), "flops_by_precision": {}, **more}


def cells(sheet, figure):
    """The texts of the row that begins with `figure`, by the columns' keys."""
    (found,) = [row for row in sheet.rows if row.cells[0].text == figure]
    return {column.key: cell.text for column, cell in zip(sheet.columns, found.cells)}


def sheet_of(details, key):
    return next(sheet for sheet in details.tables if sheet.key == key)


def test_a_measured_energy_names_its_channel_time_cover_and_errors():
    terms = (ErrorTerm("gain", 5.0, 5.0, "gpu"), ErrorTerm("gap", 1.0, 30.0), ErrorTerm("noise", 0.0, 0.0))
    energy = Energy(100.0, Provenance.MEASURED, Scope.CHIP, "nvml:0", terms, seconds=12.5, coverage=0.9)
    words = origin(row(energy))
    assert "readings of nvml:0 over 12.5 s, 90 % of it covered" in words and "Scope chip" in words
    assert "gap -1 J / +30 J, gain ±5 J" in words and "noise" not in words


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        (Provenance.MODELLED, "FLOPs and bytes of this work and a device's profile (model:tx2), not read"),
        (Provenance.EXTRAPOLATED, "measured epochs (model:tx2) times the planned number"),
        (Provenance.DERIVED, "Arithmetic on measured values"),
    ],
)
def test_each_provenance_has_its_words(provenance, words):
    assert words in origin(row(Energy(1.0, provenance, Scope.MODULE, "model:tx2", seconds=1.0)))


def test_a_missing_energy_has_its_reason_and_no_total():
    words = origin(row(Energy.missing("no meter was recording", partial=1500.0)))
    assert words == "Missing: no meter was recording. 1.5 kJ of it are known, which is no total."


def test_emulated_work_is_marked_as_what_if(tmp_path, sources):
    result = emulated("eb-ll", search="bfp8", retrain="bfp8")
    source = type(sources[0])("ll", sources[0].path, result)
    details = run_details(source)
    useful = cells(sheet_of(details, "numbers"), "useful")
    assert useful["provenance"].startswith("what-if, modelled") and "What-if" in useful["origin"]
    assert any("what-if" in figure for figure in details.headline)


@pytest.mark.parametrize(
    "end, words",
    [
        ("2026-01-01T10:20:59+00:00", "2026-01-01 09:00 to 10:20 UTC"),
        ("2026-01-02T00:10:00+00:00", "2026-01-01 09:00 to 2026-01-02 00:10 UTC"),
        (None, "2026-01-01 09:00 UTC to no known end"),
    ],
)
def test_the_day_is_said_once_where_a_run_ended_on_it(end, words):
    assert between("2026-01-01T09:00:01+00:00", end) == words


def test_a_modelled_run_says_that_nothing_was_measured(sources):
    details = run_details(sources[0])
    facts = dict(details.facts)
    assert facts["energies"].startswith("modelled by profile generic-cpu") and "not measured" in facts["energies"]
    assert facts["when"].count(":") == 2 and facts["when"].endswith("UTC") and "torch" in facts["software"]
    assert "no meter was read" in details.metering
    assert any("observer's cost is not known" in line for line in details.metering)
    numbers = sheet_of(details, "numbers")
    assert "Computed from the counted FLOPs" in cells(numbers, "useful")["origin"]
    assert cells(numbers, "overhead")["joules"] == "missing"
    assert "last epoch" in cells(numbers, "test accuracy")["origin"]


def test_what_was_spent_beside_the_method_has_a_row_each(sources):
    """As the marks have them: together with the useful work they are all that was spent."""
    result = {**sources[0].result}
    result["infer"] = {**result["evaluation"], "phase": "infer", "seconds": 2.0}
    numbers = sheet_of(run_details(Source("a", sources[0].path, result)), "numbers")
    assert cells(numbers, "inference")["joules"] == cells(numbers, "evaluation")["joules"] != "missing"
    assert "lost" not in [row.cells[0].text for row in numbers.rows]


def test_a_measured_run_shows_its_meters_problems_and_bounds(sources):
    metered = sources[2]
    details = run_details(metered)
    assert details.problems == tuple(metered.result["problems"]) and details.problems
    meters = sheet_of(details, "meters")
    first = {column.key: cell for column, cell in zip(meters.columns, meters.rows[0].cells)}
    assert first["channel"].text == "gpu power, primary" and first["update_period"].value == 0.05
    assert {row.cells[1].value for row in meters.rows} == {"gpu power", "gpu counter", "rail"}
    failed = [row for row in meters.rows if row.cells[5].value]
    assert failed and all("no answer" in row.cells[5].text for row in failed)
    useful = cells(sheet_of(details, "numbers"), "useful")
    assert useful["provenance"].startswith("measured, chip") and "readings of gpu power" in useful["origin"]


def test_settings_are_all_there(sources):
    settings = sheet_of(run_details(sources[1]), "settings")
    assert {row.cells[0].text: row.cells[1].text for row in settings.rows}["method"] == "eb-ff"
    assert len(settings.rows) == len(sources[1].result["spec"])


def test_conditions_have_their_units_and_shares():
    summary = {
        "gpu temperature": {
            "quantity": "celsius",
            "meter": "m",
            "seconds": 5.0,
            "min": 40.0,
            "mean": 50.5,
            "max": 61.0,
        },
        "gpu clock": {"quantity": "hertz", "meter": "m", "seconds": 0.0, "min": None, "mean": None, "max": None},
        "mode": {"quantity": "state", "meter": "m", "seconds": 5.0, "shares": {"2": 1.0}},
    }
    sheet = conditions_sheet({"conditions": summary})
    texts = [[cell.text for cell in row.cells] for row in sheet.rows]
    assert texts[0] == ["gpu temperature", "40 °C", "50.5 °C", "61 °C", "5.0 s"]
    assert texts[1][1:4] == ["missing"] * 3 and texts[2][2] == "2: 100 %"
    assert conditions_sheet({"conditions": {}}) is None


def test_inference_that_was_not_measured_is_missing_not_zero():
    missing, modelled = Energy.missing("no meter"), Energy(0.01, Provenance.MODELLED, Scope.MODULE, "model:tx2")
    one = {"network": "ticket", "batch": 32, "images": 64, "images_per_second": None, "latency_seconds": None}
    one.update(energy_an_image=missing.to_json(), modelled_an_image=modelled.to_json())
    sheet = inference_sheet(json.loads(json.dumps({"inference": [one]})))
    texts = [cell.text for cell in sheet.rows[0].cells]
    assert texts == ["ticket", "32", "missing", "missing", "missing", "missing", "10 mJ (modelled, module)"]
    assert inference_sheet({"inference": None}) is None
