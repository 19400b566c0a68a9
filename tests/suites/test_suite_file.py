"""A suite's file: what is wrong in it is said with its place, and options become a command line."""

import pytest
from suites.making import suite_of, written

from energytrain.cli.bench import run_options
from energytrain.errors import UsageError
from energytrain.suites.suite_file import Option, arguments, read_suite


def test_a_file_is_read_with_its_axes_and_options(tmp_path):
    suite = suite_of(
        tmp_path, "defaults: {limit: 64, meter: [nvml, rapl]}\nmatrix: [{method: [dense], prune_ratio: 0.5, l1: 1e-3}]"
    )
    (block,) = suite.blocks
    assert (suite.name, suite.defaults) == ("small", {"limit": 64, "meter": ["nvml", "rapl"]})
    assert suite.equivalence_margin is None
    assert suite_of(tmp_path, "equivalence_margin: 1\nmatrix: [{method: dense}]").equivalence_margin == 1
    assert block.axes == ("method",) and block.options == {"method": ("dense",), "prune-ratio": 0.5, "l1": 1e-3}


@pytest.mark.parametrize(
    "text, words",
    [
        ("matrix: []", "'matrix'"),
        ("matrix: [{method: dense}]\nequivalence_margin: 0", "'equivalence_margin'"),
        ("matrix: [{}]", "'matrix.0'"),
        ("matrix: [{method: []}]", "'matrix.0.method'"),
        ("matrix: [{method: [dense, dense]}]", "'matrix.0.method'"),
        ("matrix: [{method: [null]}]", "'matrix.0.method.0'"),
        ("matrix: [{method: dense}]\nmatrices: 1", "'matrices' was unexpected"),
        ("matrix: [{method: dense}]\nname: twice", "the key 'name' stands twice"),
        ("matrix: [{method: dense, epoch: 3}]", "unknown option at 'matrix.0' of .*'epoch'. Did you mean 'epochs'?"),
        ("defaults: {metod: dense}\nmatrix: [{seed: 1}]", "'defaults' of .*'metod'. Did you mean 'method'?"),
        ("defaults: {seed: [0, 1]}\nmatrix: [{method: dense}]", "several values at 'defaults'. Put the list"),
        ("matrix: [{method: dense, fresh: true}]", "'fresh' at 'matrix.0', which a suite decides. Use .*--rerun-stale"),
        ("matrix: [{method: dense, prune-ratio: 0.5, prune_ratio: 0.3}]", "'prune-ratio' twice at 'matrix.0'"),
        ("matrix: [{method: dense, lr: [[0.1]]}]", "list inside the list of 'lr'"),
        ("matrix: [{method: dense", "is not a YAML file"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        suite_of(tmp_path, text)


def test_a_newer_form_and_a_file_that_is_not_there_are_said(tmp_path):
    with pytest.raises(UsageError, match="there is no suite file"):
        read_suite(tmp_path / "nowhere.yaml", run_options())
    path = written(tmp_path, "matrix: [{method: dense}]")
    path.write_text(path.read_text().replace("schema_version: 1", "schema_version: 2"))
    with pytest.raises(UsageError, match="newer than this energytrain"):
        read_suite(path, run_options())


def test_options_become_a_command_line():
    options = {
        "lr": Option("lr"),
        "l1-retrain": Option("l1-retrain", flag=True),
        "channels-last": Option("channels-last", flag=True, off="--no-channels-last"),
        "meter": Option("meter", several=True),
    }
    values = {"lr": -1, "l1-retrain": False, "channels-last": False, "meter": ["nvml", "rapl:zones=psys"]}
    assert arguments(values, options) == ("--lr=-1", "--no-channels-last", "--meter=nvml", "--meter=rapl:zones=psys")
    for wrong in ({"l1-retrain": 3}, {"lr": True}):
        with pytest.raises(UsageError, match="the option"):
            arguments(wrong, options)


def test_the_options_are_those_of_run():
    options = run_options()
    assert options["meter"].several and options["l1-retrain"].flag
    assert options["channels-last"].off == "--no-channels-last"
    assert {"prune-ratio", "dataset", "runs-dir"} <= set(options) and not {"json", "quiet", "config"} & set(options)
