"""`energytrain methods`: every method with what it makes of the network; one method with its phases, in words."""

import json
import re

import pytest
from click.testing import CliRunner

from energytrain.cli import console
from energytrain.cli.methods import command, described, network_of, options_of, retraining_of
from energytrain.cli.options import run_options
from energytrain.errors import UsageError
from energytrain.execution.resolve import resolve
from energytrain.methods.catalog import METHODS, recipe_of
from energytrain.methods.phases import MaskWeights, Prune, Rewind, Train

HERE = {"dataset": "digits", "device": "generic-cpu", "compute": "cpu"}
BY_ITSELF = [name for name, info in METHODS.items() if info.matches is None]


def show(*arguments):
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def recipe(name):
    spec, _ = resolve({"method": name, **HERE})
    return spec, recipe_of(spec)


@pytest.mark.parametrize("name", METHODS)
def test_what_the_network_becomes_is_what_the_recipe_does_to_it(name):
    if METHODS[name].matches:
        assert network_of(METHODS[name]) == ("narrower" if name == "small-dense" else "dense")
        return
    _, phases = recipe(name)
    masked = any(isinstance(p, MaskWeights) or (isinstance(p, Train) and p.gradual) for p in phases)
    smaller = any(isinstance(p, Prune) for p in phases)
    assert not (masked and smaller)
    assert network_of(METHODS[name]) == ("masked" if masked else "smaller" if smaller else "dense")


@pytest.mark.parametrize("name", BY_ITSELF)
def test_the_default_retraining_is_that_of_the_recipe(name):
    spec, phases = recipe(name)
    words = retraining_of(METHODS[name])
    last = phases[-1]
    if words == "none":
        assert not any(p.name.startswith(("retrain", "rewind")) for p in phases)
        return
    assert isinstance(last, Train) and last.name.startswith("retrain")
    if words == "the rest of the schedule":
        assert not isinstance(last.first, int) and last.last == spec.epochs
        return
    technique, length = words.replace(" a round", "").split(", ")
    share = 1.0 if length == "T" else float(length.split()[0])
    assert last.last - last.first == round(share * spec.epochs)
    assert (technique == "weight-rewind") == any(isinstance(p, Rewind) for p in phases)
    assert (technique == "fine-tune") == (last.schedule.milestones == ())
    if technique == "fresh weights":
        assert any(isinstance(p, Prune) and p.weights == "fresh" for p in phases)
    assert words.endswith("a round") == (sum(p.name.startswith("retrain") for p in phases) > 1)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_shown_with_all_its_phases(name):
    facts = json.loads(show(name, "--json"))
    assert facts["name"] == name and facts["title"] == METHODS[name].title
    assert facts["phases"] and all(set(row) == {"phase", "what"} and row["what"] for row in facts["phases"])
    if name in BY_ITSELF:
        assert [row["phase"] for row in facts["phases"]] == [phase.name for phase in recipe(name)[1]]
    text = show(name)
    assert text.startswith(f"{name}: {METHODS[name].title}")
    for row in facts["phases"]:
        assert row["phase"] in text


def phases_of(name):
    return {row["phase"]: row["what"] for row in json.loads(show(name, "--json"))["phases"]}


def test_the_words_say_the_epochs_and_rates_of_the_recipe():
    assert phases_of("dense") == {"train": "epochs 1 to 40 of the schedule, dense network"}
    early_bird = phases_of("eb-ff")
    assert "at most 40" in early_bird["search"] and "last 5 distances" in early_bird["search"]
    assert "below 0.1" in early_bird["search"] and "from the end of the search on" in early_bird["retrain"]
    rewound = phases_of("lt-rewind")
    assert "the state after epoch 4" in rewound["train"] and "after epoch 4" in rewound["rewind"]
    assert rewound["retrain"] == "epochs 5 to 40 of the schedule, masked network"
    assert phases_of("l1-filters")["retrain"] == "10 epochs at rate 0.0005, smaller network"
    window = phases_of("gradual")["gradual"]
    assert window.startswith("epochs 21 to 30") and "10 steps" in window and "50 %" in window
    assert "at rate 0.005 and judged on 10 %" in phases_of("early-gradual")["search"]
    rounds = phases_of("lt-iterative")
    shares = [float(re.search(r"the ([\d.]+) %", rounds[f"prune-{n}"]).group(1)) for n in (1, 2, 3)]
    assert shares == pytest.approx([100 * (1 - 0.5 ** (n / 3)) for n in (1, 2, 3)], abs=0.05)


def test_other_settings_are_described_as_they_are():
    spec, _ = resolve({"method": "ns", **HERE, "retrain": "low-lr-rewind", "retrain_epochs": 8, "align": "1"})
    words = dict(described(spec, recipe_of(spec)))
    assert "keeping the state after epoch 32" in words["train"] and "multiples" not in words["prune"]
    assert words["rewind"].startswith("weights and momentum go back to what they were after epoch 32")
    assert words["retrain"] == "8 epochs at rate 0.0005, smaller network"
    spec, _ = resolve({"method": "snip", **HERE, "retrain": "reinit", "structured": True})
    words = dict(described(spec, recipe_of(spec)))
    assert "saliency" in words["prune"] and words["rewind"].startswith("fresh weights")
    assert words["train"].endswith("smaller network")


def test_the_options_that_are_shown_exist_and_are_accepted():
    known = {text for option in run_options(lambda: None).__click_params__ for text in option.opts}
    for name, info in METHODS.items():
        for option in options_of(name, info):
            assert option.split()[0] in known, (name, option)
    given = {"draw_epoch": 5, "retrain": "lr-rewind", "retrain_epochs": 5, "rounds": 2, "skip_ends": True}
    given.update(structured=True, filter_rates="A", gradual_epochs=5, prune_ratio="auto")
    for name in BY_ITSELF:
        shown = {option.split()[0] for option in options_of(name, METHODS[name])}
        for field, value in given.items():
            if name == "snip" and field == "retrain":
                continue
            options = {"method": name, **HERE, field: value}
            if "--" + field.replace("_", "-") in shown:
                options.update({"retrain": "lr-rewind"} if field == "retrain_epochs" else {})
                resolve(options)
            else:
                with pytest.raises(UsageError):
                    resolve(options)


def test_the_list_has_what_each_method_makes_of_the_network():
    rows = json.loads(show("--json"))
    assert [row["name"] for row in rows] == list(METHODS)
    assert {row["name"]: row["network"] for row in rows}["lt"] == "masked"
    assert {row["name"]: row["retraining"] for row in rows}["l1-filters"] == "fine-tune, 0.25 T"
    assert show().count("weight-rewind") == 3


@pytest.mark.parametrize("arguments", [[], *([name] for name in METHODS)], ids=lambda a: a[0] if a else "list")
def test_everything_stays_within_80_columns(arguments, monkeypatch):
    monkeypatch.setattr(console, "PIPE_WIDTH", 80)
    text = show(*arguments)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text


def test_an_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(UsageError) as refused:
        CliRunner().invoke(command, ["thinnet"], catch_exceptions=False)
    assert "unknown method 'thinnet'" in refused.value.message and "Did you mean 'thinet'?" in str(refused.value.hint)
