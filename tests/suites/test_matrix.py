"""A matrix becomes runs: which there are, what they are called, what they wait for and are compared with."""

import pytest
from suites.making import runs_of

from energytrain.errors import UsageError


def names(folder, text):
    return [run.name for run in runs_of(folder, text)]


def test_every_product_of_the_lists_is_a_run_and_the_last_list_changes_fastest(tmp_path):
    text = "matrix: [{method: [eb-ff, eb-reinit], prune-ratio: [0.3, 0.5], seed: [0, 1]}]"
    assert names(tmp_path, text) == [
        "eb-ff-p0.3-s0",
        "eb-ff-p0.3-s1",
        "eb-ff-p0.5-s0",
        "eb-ff-p0.5-s1",
        "eb-reinit-p0.3-s0",
        "eb-reinit-p0.3-s1",
        "eb-reinit-p0.5-s0",
        "eb-reinit-p0.5-s1",
    ]
    by_seed = "matrix: [{seed: [1, 0], method: [eb-ff, dense]}]"
    assert names(tmp_path, by_seed) == ["eb-ff-s1", "dense-s1", "eb-ff-s0", "dense-s0"]


def test_more_seeds_and_ratios_leave_the_names_of_the_others_as_they_are(tmp_path):
    one = names(tmp_path, "matrix: [{method: eb-ff, prune-ratio: 0.5}]")
    more = names(tmp_path, "matrix: [{method: [eb-ff, dense], prune-ratio: [0.3, 0.5], seed: [0, 1]}]")
    assert one == ["eb-ff-p0.5-s0"] and one[0] in more


def test_names_are_made_of_the_axes_and_of_a_pattern(tmp_path):
    lists = "matrix: [{method: eb-ff, lr: [0.1, 0.05], l1-retrain: [true, false], model: [vgg16], seed: [3]}]"
    assert names(tmp_path, lists) == [
        "eb-ff-lr-0.1-l1-retrain-vgg16-s3",
        "eb-ff-lr-0.1-no-l1-retrain-vgg16-s3",
        "eb-ff-lr-0.05-l1-retrain-vgg16-s3",
        "eb-ff-lr-0.05-no-l1-retrain-vgg16-s3",
    ]
    pattern = "matrix: [{name: '{method}-no-l1-at-{lr}', method: eb-ff, l1: 0, lr: [0.1], prune-ratio: 0.5}]"
    assert names(tmp_path, pattern) == ["eb-ff-no-l1-at-0.1-p0.5-s0"]
    meters = "matrix: [{method: dense, meter: [[nvml, 'rapl:zones=psys'], none]}]"
    assert names(tmp_path, meters) == ["dense-nvml_rapl_zones_psys-s0", "dense-none-s0"]
    with pytest.raises(UsageError, match="unknown placeholder .*'ratio'"):
        names(tmp_path, "matrix: [{name: 'x-{ratio}', method: eb-ff}]")


def test_dense_has_no_ratio_so_it_is_one_run_for_all(tmp_path):
    text = "matrix: [{method: [dense, eb-ff], prune-ratio: [0.3, 0.5], seed: [0]}]"
    runs = runs_of(tmp_path, text)
    assert [run.name for run in runs] == ["dense-s0", "eb-ff-p0.3-s0", "eb-ff-p0.5-s0"]
    assert "prune-ratio" not in runs[0].options


def test_a_block_takes_a_default_away(tmp_path):
    text = "defaults: {retrain: lr-rewind, epochs: 3}\nmatrix: [{method: dense, retrain: null}, {method: lt}]"
    without, with_it = (run.options for run in runs_of(tmp_path, text))
    assert "retrain" not in without and without["epochs"] == 3 and with_it["retrain"] == "lr-rewind"


def test_two_runs_of_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="two runs .* 'eb-ff-s0', one of them at 'matrix.1'. Give that block a `name`"):
        names(tmp_path, "matrix: [{method: eb-ff}, {method: eb-ff, l1: 0}]")
    with pytest.raises(UsageError, match="two runs"):
        names(tmp_path, "matrix: [{method: eb-ff, lr: [0.1, 0.10000000001]}]")


@pytest.mark.parametrize(
    "block, words",
    [
        ("{method: eb-fff}", "unknown method 'eb-fff'. Did you mean 'eb-ff'?"),
        ("{seed: 1}", "names no method"),
        ("{method: null}", "names no method"),
        ("{method: dense, seed: 0.5}", "a seed is a whole number"),
        ("{method: small-dense}", "small-dense needs the run whose cost it matches. .*'like: eb-ff'"),
        ("{method: small-dense, like: eb-f}", "unknown run to match at 'matrix.1'"),
        ("{method: random-ticket, like: eb-ff}", "random-ticket has no use for"),
        ("{method: small-dense, like: eb-ff, seed: 7}", "and there is none"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, block, words):
    with pytest.raises(UsageError, match=words):
        names(tmp_path, "matrix: [{method: eb-ff, prune-ratio: 0.5, seed: [0, 1]}, " + block + "]")


def test_controls_come_right_behind_the_run_of_the_same_axes_that_they_match(tmp_path):
    text = """
matrix:
  - {method: [small-dense, dense-short], like: eb-ff, prune-ratio: [0.5, 0.3], seed: [0, 1]}
  - {method: [dense, eb-ff], prune-ratio: [0.3, 0.5], seed: [0, 1]}
  - {name: eb-ff-no-l1, method: eb-ff, l1: 0, prune-ratio: 0.5, seed: [0, 1]}
"""
    runs = runs_of(tmp_path, text)
    order = [run.name for run in runs]
    assert len(order) == len(set(order)) == 8 + 6 + 2
    for run in runs:
        if run.head in ("small-dense", "dense-short"):
            assert run.like == run.name.replace(run.head, "eb-ff")
            assert order.index(run.like) < order.index(run.name)
        else:
            assert run.like is None
    assert order[:4] == ["dense-s0", "dense-s1", "eb-ff-p0.3-s0", "small-dense-p0.3-s0"]


def test_a_match_that_fits_several_runs_is_refused(tmp_path):
    text = "matrix: [{method: eb-ff, lr: [0.1, 0.2], seed: 0}, {method: small-dense, like: eb-ff}]"
    with pytest.raises(UsageError, match="'eb-ff-lr-0.1-s0', 'eb-ff-lr-0.2-s0'"):
        names(tmp_path, text)
    of_its_lr = text.replace("like: eb-ff", "like: eb-ff, lr: [0.2]")
    assert runs_of(tmp_path, of_its_lr)[-1].like == "eb-ff-lr-0.2-s0"


def test_two_controls_cannot_match_each_other(tmp_path):
    text = "matrix: [{method: small-dense, like: dense-short}, {method: dense-short, like: small-dense}]"
    with pytest.raises(UsageError, match="matched to each other"):
        names(tmp_path, text)


def test_runs_are_compared_with_the_reference_of_their_seed(tmp_path):
    text = "matrix: [{method: [dense, eb-ff], prune-ratio: [0.3, 0.5], seed: [0, 1]}]"
    assert {run.name: run.compare_with for run in runs_of(tmp_path, text)} == {
        "dense-s0": None,
        "dense-s1": None,
        "eb-ff-p0.3-s0": "dense-s0",
        "eb-ff-p0.5-s0": "dense-s0",
        "eb-ff-p0.3-s1": "dense-s1",
        "eb-ff-p0.5-s1": "dense-s1",
    }
    # To dense, eb-ff is two runs of each seed: it is compared with neither.
    assert {run.compare_with for run in runs_of(tmp_path, text, "eb-ff")} == {None}
    one = "matrix: [{method: [dense, eb-ff], prune-ratio: [0.5], seed: [0, 1]}]\ncompare_with: eb-ff"
    assert [run.compare_with for run in runs_of(tmp_path, one)] == ["eb-ff-p0.5-s0", "eb-ff-p0.5-s1", None, None]
    with pytest.raises(UsageError, match="unknown run to compare with: 'dens'. Did you mean 'dense'"):
        runs_of(tmp_path, text, "dens")
    assert runs_of(tmp_path, "matrix: [{method: eb-ff}]")[0].compare_with is None
