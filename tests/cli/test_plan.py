"""`energytrain plan` as a person meets it: without data, its options, formats and budget, and what is refused."""

import json
import re
import subprocess
import sys

import pytest
from execution.small import SMALL, run_small

from energytrain.cli.main import run
from energytrain.devices.profile import load_profile

PLAN = ["plan", "--model", "preresnet20", "--dataset", "cifar10", "--device", "tx2", "--epochs", "16"]


@pytest.fixture()
def here(tmp_path, monkeypatch, capfd):
    """The command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        status = run([*PLAN, *map(str, arguments)])
        printed = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, status, printed.out, printed.err)

    return command


FACTOR = load_profile("tx2").bounds_factor


def rows(done, table=0):
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["tables"][table]["rows"]
    return [row["cells"] for row in found]


def test_help_is_quick_because_it_imports_nothing():
    code = (
        "import sys\nfrom energytrain.cli.main import run\nstatus = run(['plan', '--help'])\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'pyarrow', 'rich'} & set(sys.modules)\n"
        "assert status == 0 and not heavy, (status, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in ("--methods", "--prune-ratio", "--grid-intensity", "--accuracy-from", "--budget", "--width"):
        assert option in done.stdout
    for option in ("--meter", "--infer", "--fresh", "--seed"):
        assert option not in done.stdout


def test_a_row_a_method_and_ratio_and_every_figure_says_what_it_is(here):
    done = here(
        "--methods", "dense,eb-ff", "--method", "lt", "--prune-ratio", "0.3", "0.5", "--draw-epoch", "4", "--json"
    )
    found = rows(done)
    assert [(cells["method"]["value"], cells["prune_ratio"]["value"]) for cells in found] == [
        ("dense", None),
        ("eb-ff", 0.3),
        ("eb-ff", 0.5),
        ("lt", 0.3),
        ("lt", 0.5),
    ]
    dense, eb = found[0], found[1]
    assert dense["energy_of_dense"]["value"] == dense["flops_of_dense"]["value"] == 1.0
    assert eb["useful_provenance"]["value"] == "modelled" and f"x/÷ {FACTOR:g}" in eb["useful_provenance"]["text"]
    low, joules, high = (eb[key]["value"] for key in ("useful_joules_low", "useful_joules", "useful_joules_high"))
    assert low == pytest.approx(joules / FACTOR) and high == pytest.approx(FACTOR * joules)
    assert eb["draw_epoch"]["value"] == 4 and found[3]["draw_epoch"]["value"] is None
    # So small a network is all launches, of which selecting channels adds some: nothing is saved an image.
    assert eb["joules_an_inference"]["value"] > eb["joules_an_inference_dense"]["value"]
    assert eb["inferences_until_repaid"]["text"] == "never" and "co2e_grams" not in eb
    notes = json.loads(done.stdout)["tables"][0]["notes"]
    assert any("modelled, not measured" in note and f"factor of {FACTOR:g}" in note for note in notes)
    assert any("every layer loses 0.3 of its channels and the search ends after epoch 4" in note for note in notes)


def test_a_card_that_has_a_profile_and_no_setup_is_planned_by_its_name(here):
    (dense,) = rows(here("--device", "h100", "--methods", "dense", "--json"))
    assert f"(h100, x/÷ {load_profile('h100').bounds_factor:g})" in dense["useful_provenance"]["text"]
    refused = here("--device", "h1000", "--methods", "dense")
    assert refused.returncode == 2 and "unknown device 'h1000'" in refused.stderr


def test_co2e_only_for_a_grid(here):
    (cells,) = rows(here("--methods", "dense", "--grid-intensity", "360", "--json"))
    assert cells["co2e_grams"]["value"] == pytest.approx(cells["useful_joules"]["value"] / 1e4)
    assert "1 kWh" not in here("--methods", "dense").stdout


def test_what_is_emulated_carries_its_mark_and_both_figures(here):
    done = here("--methods", "eb-ll", "--phases", "--json")
    (cells,), phases = rows(done), rows(done, 1)
    assert cells["method"]["value"] == "eb-ll"
    assert (
        cells["useful_joules"]["text"].count("what-if") == 2 and cells["energy_of_dense"]["text"].count("what-if") == 2
    )
    assert [one["phase"]["value"] for one in phases] == ["search", "prune", "retrain", "useful", "dense instead"]
    assert "what-if" in phases[0]["energy_provenance"]["text"]
    assert "what-if" not in phases[-1]["energy_provenance"]["text"]


def test_a_budget_proposes_what_fits_and_says_why_the_rest_does_not(here):
    (dense,) = rows(here("--methods", "dense", "--json"))
    joules = 1.01 * dense["useful_joules"]["value"]
    done = here("--methods", "dense,lt", "--budget", f"{joules / 1e3:.6f}kJ", "--json")
    best, refused = rows(done, 1), rows(done, 2)
    # Of a factor of uncertainty surely the part of the schedule fits, most likely the whole of dense and half of lt.
    dense_epochs, lt_epochs = int(16 * 1.01 / FACTOR), int(8 * 1.01 / FACTOR)
    assert [(one["method"]["value"], one["epochs"]["value"], one["verdict"]["value"]) for one in best] == [
        ("dense", dense_epochs, "fits"),
        ("lt", lt_epochs, "fits"),
        ("dense", 16, "may fit"),
        ("lt", 16, "may fit"),
    ]
    left = [f" {epochs} of 16 epochs fit" for epochs in (dense_epochs, lt_epochs)]
    assert [one["why"]["value"].split(";")[1] for one in refused] == left
    assert "What fits into" in here("--methods", "dense", "--budget", "1Wh").stdout


def test_options_that_a_method_does_not_have_leave_it_out(here):
    done = here("--methods", "dense,eb-ff", "--retrain", "reinit", "--json")
    assert [cells["method"]["value"] for cells in rows(done)] == ["eb-ff"]
    assert any(
        note.startswith("Left out: dense: --retrain is for") for note in json.loads(done.stdout)["tables"][0]["notes"]
    )


def test_imagenet_needs_no_file_to_plan_and_says_what_to_do_to_train(here, capfd):
    done = here("--dataset", "imagenet", "--model", "resnet18", "--methods", "dense", "--json")
    (cells,) = rows(done)
    assert cells["modelled_seconds"]["value"] > 0
    status = run(["run", "--dataset", "imagenet", "--device", "generic-cpu", "--meter", "none"])
    told = capfd.readouterr().err
    assert status == 2 and "Give --dataset folder --data-dir DIR" in told


def test_the_formats_of_report(here, tmp_path):
    assert here("--methods", "dense", "--output", "plan.md").returncode == 0
    assert (tmp_path / "plan.md").read_text().startswith("**Plan: preresnet20 on cifar10, tx2**")
    done = here("--methods", "dense", "--format", "csv")
    assert (
        done.stdout.splitlines()[0].startswith("table,row") and "note: Seconds and joules are modelled" in done.stderr
    )


def test_a_runs_ticket_and_accuracy(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    outcome = run_small(tmp_path / "runs", method="eb-ff", epochs=3, limit=128, name="eb")
    keys = ("dataset", "width", "batch_size", "eps", "queue", "align", "device", "compute")
    options = [
        word for key in keys for word in (f"--{key.replace('_', '-')}", str(SMALL[key])) if key not in NO_OPTIONS
    ]
    arguments = ["plan", *options, "--methods", "eb-ff", "--limit", "128", "--epochs", "4"]
    status = run([*arguments, "--ticket", str(outcome.folder), "--accuracy-from", "runs", "--json"])
    table = json.loads(capfd.readouterr().out)["tables"][0]
    (row,) = table["rows"]
    kept = outcome.result["network"]["after"]["parameters"]
    assert status == 0 and row["cells"]["parameters"]["value"] == kept
    accuracy = row["cells"]["measured_accuracy_percent"]
    assert accuracy["value"] == outcome.result["accuracy"]["test"] and accuracy["text"].endswith("(n = 1) *")
    assert any("epochs 3 instead of 4" in note for note in table["notes"])


NO_OPTIONS = ("eps", "compute")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--methods", "eb-f"], "unknown method 'eb-f'"),
        (["--prune-ratio", "auto"], "--prune-ratio must be numbers; one is 'auto'"),
        (["--prune-ratio", "1.5"], "--prune-ratio must lie between 0 and 1"),
        (["--budget", "2h"], "a plan's budget is an energy"),
        (["--methods", "eb-ff", "--draw-epoch", "17"], "the draw epoch 17 lies after the 16 epochs"),
        (["--ticket", "nowhere"], "there is no ticket file 'nowhere'"),
        (["--model", "vgg99"], "unknown model 'vgg99'"),
        (["--json", "--format", "csv"], "two formats"),
    ],
)
def test_what_is_wrong_is_one_sentence(here, arguments, words):
    done = here(*arguments)
    assert done.returncode == 2 and words in done.stderr and done.stdout == "", done.stderr
    assert not re.search("Traceback", done.stderr)
