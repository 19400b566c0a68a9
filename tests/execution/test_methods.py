"""Every method, small: its ledger is what was planned for it to the FLOP, its masks hold, its rewinding is exact."""

import json

import pytest
import torch
from execution.small import run_small
from safetensors.torch import load_file

from energytrain.data.catalog import info, load
from energytrain.errors import UsageError
from energytrain.execution.model_file import load_model
from energytrain.methods.catalog import METHODS
from energytrain.methods.planned_ledger import Draws, planned_ledger
from energytrain.pruning.ticket import Ticket
from energytrain.pruning.weight_ticket import WeightTicket
from energytrain.runs.events import read_events
from energytrain.runs.spec import RunSpec
from energytrain.runs.timeline import build_timeline
from energytrain.training.evaluate import evaluate

BRIEF = {"epochs": 3, "limit": 128}
# Each method, and each setting that adds a kind of phase or of work.
RUNS = {
    "lt": {},
    "lt-iterative": {"rounds": 2},
    "lt-rewind": {"retrain_epochs": 2, "skip_ends": True},
    "lt after two epochs": {"draw_epoch": 2, "retrain": "low-lr-rewind", "rewind_epoch": 1, "retrain_epochs": 1},
    "snip": {},
    "snip fresh": {"retrain": "reinit"},
    "snip structured": {"structured": True},
    "ns": {},
    "ns in rounds": {"rounds": 2, "retrain": "weight-rewind", "retrain_epochs": 2, "align": "8", "width": 0.25},
    "ns fresh": {"retrain": "reinit", "retrain_epochs": 1},
    "thinet": {},
    "thinet in rounds": {"rounds": 2, "retrain_epochs": 1},
    "thinet preresnet20": {"model": "preresnet20", "width": 0.25},
    "sfp": {},
    "sfp resnet20": {"model": "resnet20", "width": 0.25},
    "l1-filters": {},
    "l1-filters published": {"filter_rates": "A^2"},
    "gradual": {"draw_epoch": 1, "gradual_epochs": 2, "skip_ends": False},
    "early-gradual": {"queue": 1, "gradual_epochs": 2, "gradual_steps": 1, "retrain_epochs": 1},
    "eb-ff ppr": {"search": "ppr", "queue": 1},
    "eb-ff fixed": {"draw_epoch": 2, "retrain": "lr-rewind"},
    "eb-ff auto": {"prune_ratio": "auto", "accuracy_budget": 60.0},
    "eb-lf": {"epochs": 9},
    "eb-ll": {"epochs": 9},
    "eb-ll master": {"master_weights": True, "average": False},
    "eb-ll auto": {"prune_ratio": "auto", "accuracy_budget": 60.0},
    "eb-ll ppr": {"search": "ppr", "queue": 1},
    "lt bfp8": {"precision": "bfp8"},
    "ns averaged": {"average": True, "epochs": 8, "retrain_epochs": 8, "draw_epoch": 1},
}


def method_of(name):
    return name.split()[0]


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(runs_dir):
    """Runs by their name in `RUNS`, each trained once."""
    done = {}

    def run(name):
        if name not in done:
            options = {**BRIEF, **RUNS[name], "method": method_of(name), "name": name.replace(" ", "-")}
            done[name] = run_small(runs_dir, **options)
        return done[name]

    return run


def test_every_method_is_among_the_runs():
    covered = {method_of(name) for name in RUNS}
    assert covered >= set(METHODS) - {"dense", "eb-reinit", "random-ticket", "small-dense", "dense-short"}


def planned(outcome):
    spec = RunSpec.from_json(outcome.result["spec"])
    tickets = build_timeline(read_events(outcome.folder / "events.jsonl")).tickets
    data = info(spec.dataset, limit=spec.limit, validation=spec.validation)
    return planned_ledger(spec, data, Draws.of_marks(tickets))


@pytest.mark.parametrize("name", RUNS)
def test_the_ledger_is_the_planned_one_to_the_flop(name, run):
    outcome = run(name)
    assert outcome.exit_status == 0 and outcome.result["status"] == "done"
    ledger = planned(outcome)
    for row in outcome.result["phases"]:
        assert row["flops"] == ledger.flops(phase=row["phase"]), row["phase"]
        assert row["bytes"] == sum(e.bytes for e in ledger if e.phase == row["phase"]), row["phase"]
    assert outcome.result["useful"]["flops"] == ledger.flops() > 0
    assert outcome.result["lost"]["seconds"] == 0


MASKED = [name for name in RUNS if METHODS[method_of(name)].weights and name != "snip structured"]


@pytest.mark.parametrize("name", MASKED)
def test_a_masked_weight_is_exactly_zero_after_all_the_training(name, run):
    outcome = run(name)
    ticket = WeightTicket.load(outcome.folder / "ticket.json")
    weights = load_file(str(outcome.folder / "model.safetensors"))
    for parameter, kept in ticket.mask.items():
        assert torch.equal(weights[parameter][~kept], torch.zeros(int((~kept).sum())))
    counts = outcome.result["ticket"]
    assert counts["unit"] == "weights" and counts["kept"] == counts["total"] - int(counts["total"] * 0.5)
    network = outcome.result["network"]
    assert network["after"] == network["before"]  # masks make nothing smaller and earn nothing


@pytest.mark.parametrize("name", [name for name in RUNS if name not in MASKED])
def test_a_network_of_fewer_channels_is_smaller(name, run):
    network = run(name).result["network"]
    assert network["after"]["parameters"] < network["before"]["parameters"]
    assert network["after"]["flops"] < network["before"]["flops"]


def test_rounds_keep_the_same_share_each_time_and_never_take_back(run):
    outcome = run("ns in rounds")
    tickets = build_timeline(read_events(outcome.folder / "events.jsonl")).tickets
    first, second = tickets["prune-1"], tickets["prune-2"]
    last = Ticket.load(outcome.folder / "ticket.json")
    assert first["kept"] / first["total"] == pytest.approx(0.5**0.5, abs=0.05)
    assert all(pair[0] <= first["widths"][name][0] for name, pair in second["widths"].items())
    assert sum(last.kept_counts.values()) == second["kept"]


def test_what_is_rewound_to_is_the_exact_state_of_that_epoch(runs_dir):
    """Weights and momentum before epoch 1, under the mask of epoch 3, at the schedule's epoch 1."""
    from energytrain.execution import pruning

    states = {}
    rewind = pruning.rewind

    def watched(runner, phase):
        kept = runner.rewind_store.load(1)
        rewind(runner, phase)
        states["kept"], states["now"] = kept, runner.session

    pruning.rewind = watched
    try:
        outcome = run_small(runs_dir, **BRIEF, method="lt", retrain_epochs=2, name="exact")
    finally:
        pruning.rewind = rewind
    one_epoch = run_small(runs_dir, method="dense", limit=128, epochs=3, name="one", budget="0.000001s")
    assert one_epoch.exit_status == 130
    (checkpoint,) = (one_epoch.folder / "checkpoint").glob("*.safetensors")
    before = load_file(str(checkpoint))
    for name, value in states["kept"].tensors.items():
        if name.startswith(("model.", "optimiser.")):
            assert torch.equal(value, before[name]), name
    ticket = WeightTicket.load(outcome.folder / "ticket.json")
    rows = [e for e in read_events(outcome.folder / "events.jsonl") if e["kind"] == "start" and e["phase"] == "retrain"]
    assert [e["epoch"] for e in rows if e["what"] == "training"] == [1, 2]
    assert set(ticket.mask) == {
        n for n in before_names(before) if n.endswith("weight") and before["model." + n].dim() == 4
    }


def before_names(tensors):
    return [name[len("model.") :] for name in tensors if name.startswith("model.")]


def test_a_ticket_of_weights_is_trained_again_from_the_weights_beside_it(runs_dir, run):
    drawn = run("lt")
    again = run_small(runs_dir, **BRIEF, method="lt", ticket=str(drawn.folder), name="again")
    assert [row["phase"] for row in again.result["phases"]] == ["prune", "retrain"]
    assert (
        WeightTicket.load(again.folder / "ticket.json").facts()
        == WeightTicket.load(drawn.folder / "ticket.json").facts()
    )
    with pytest.raises(UsageError, match="single weights"):
        run_small(runs_dir, **BRIEF, method="eb-ff", ticket=str(drawn.folder), name="refused")


def test_a_run_begun_afresh_forgets_what_it_would_have_rewound_to(runs_dir):
    run_small(runs_dir, **BRIEF, method="lt", name="afresh", seed=0)
    again = run_small(runs_dir, **BRIEF, method="lt", name="afresh", seed=1, fresh=True)
    clean = run_small(runs_dir, **BRIEF, method="lt", name="clean", seed=1)
    ours, theirs = (load_file(str(o.folder / "model.safetensors")) for o in (again, clean))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_later_round_is_aligned_among_the_channels_that_are_left(runs_dir):
    for seed in range(3):
        options = dict(method="ns", rounds=3, retrain_epochs=1, width=0.25, align="8", epochs=1, limit=64, seed=seed)
        outcome = run_small(runs_dir, **options, name=f"aligned-{seed}")
        counts = Ticket.load(outcome.folder / "ticket.json").kept_counts
        assert all(count % 8 == 0 or count < 8 for count in counts.values())


def test_a_ticket_that_is_drawn_too_late_to_be_trained_is_judged_as_it_is(runs_dir):
    outcome = run_small(runs_dir, **BRIEF, method="eb-ff", draw_epoch=3, name="late")
    assert [row["phase"] for row in outcome.result["phases"]] == ["search", "prune"]
    network = outcome.result["network"]
    assert network["after"]["parameters"] < network["before"]["parameters"]
    model = load_model(outcome.folder)
    test = load("digits", limit=128).test
    assert 100 * evaluate(model, test.batches(0, 64)).accuracy == pytest.approx(outcome.result["accuracy"]["test"])


def test_weights_are_rewound_to_the_epoch_of_the_draw_too(runs_dir):
    options = dict(method="eb-ff", draw_epoch=2, retrain="weight-rewind", rewind_epoch=2, retrain_epochs=1)
    assert run_small(runs_dir, **BRIEF, **options, name="at-the-draw").exit_status == 0


def test_a_run_without_a_dense_epoch_still_says_what_dense_training_would_cost(run, runs_dir):
    dense = run_small(runs_dir, **BRIEF, method="dense", name="dense").result["useful"]["flops"]
    for name in ("snip", "snip structured", "lt"):
        assert run(name).result["dense"]["flops"] == dense
    drawn = run("lt")
    again = run_small(runs_dir, **BRIEF, method="lt", ticket=str(drawn.folder), name="again-2")
    assert again.result["dense"]["flops"] == dense
    assert again.result["ticket"]["elsewhere"]["flops"] == drawn.result["phases"][0]["flops"]
    assert again.result["useful"]["flops"] == planned(again).flops()


def test_averaged_weights_are_the_mean_of_the_last_epochs_with_statistics_of_their_own(runs_dir, monkeypatch):
    """Of 16 epochs 15 and 16 are averaged; what is kept and judged is their mean."""
    from energytrain.execution.session import Session

    ends, take = [], Session.take_into_average

    def taking(session):
        ends.append({name: value.clone() for name, value in session.model.state_dict().items()})
        take(session)

    monkeypatch.setattr(Session, "take_into_average", taking)
    outcome = run_small(runs_dir, limit=128, epochs=16, method="dense", average=True, name="averaged")
    weights = load_file(str(outcome.folder / "model.safetensors"))
    assert len(ends) == 2
    for name, value in weights.items():
        mean = (ends[0][name].double() + ends[1][name].double()) / 2
        if "running" in name:
            assert not torch.allclose(value.double(), mean), name
        elif value.is_floating_point():
            torch.testing.assert_close(value.double(), mean, rtol=1e-5, atol=1e-7)
    test = load("digits", limit=128).test
    accuracy = 100 * evaluate(load_model(outcome.folder), test.batches(0, 64)).accuracy
    assert accuracy == pytest.approx(outcome.result["accuracy"]["test"])


def test_a_search_that_takes_the_whole_schedule_leaves_nothing_to_average_and_says_so(runs_dir):
    outcome = run_small(runs_dir, **{**BRIEF, "eps": 1e-6}, method="eb-ll", name="all-search")
    assert outcome.result["ticket"]["forced"]
    assert any("no weights were averaged" in note for note in outcome.result["notes"])


def test_master_weights_are_refused_where_a_given_ticket_leaves_no_phase_in_eight_bits(run, runs_dir):
    with pytest.raises(UsageError, match="this run trains in fp32"):
        run_small(runs_dir, method="eb-lf", ticket=str(run("eb-lf").folder), master_weights=True, epochs=9, name="none")


def test_a_check_leaves_the_random_numbers_of_the_training_alone(runs_dir, monkeypatch):
    from energytrain.execution import phases

    states, check = [], phases.check

    def checking(*arguments):
        states.append(torch.get_rng_state())
        accuracy = check(*arguments)
        states.append(torch.get_rng_state())
        return accuracy

    monkeypatch.setattr(phases, "check", checking)
    run_small(runs_dir, **BRIEF, method="eb-ll", search="ppr", queue=1, name="checked")
    assert len(states) >= 2 and torch.equal(states[0], states[1])


def test_a_control_of_an_eight_bit_run_is_matched_by_its_multiplications(run, runs_dir):
    other = run("eb-ll").result
    control = run_small(
        runs_dir,
        method="dense-short",
        like=str(run("eb-ll").folder),
        precision="bfp8",
        limit=128,
        epochs=9,
        name="short",
    )
    epochs = other["useful"]["matrix_flops"] / (other["dense"]["matrix_flops"] / other["dense"]["epochs"])
    spec = control.result["spec"]
    assert spec["match"] == f"matrix_flops:{other['useful']['matrix_flops']}" and spec["epochs"] == int(epochs)


def test_full_precision_phases_hold_nothing_of_eight_bits(run, runs_dir):
    """What LF retrains, and LL averages, lies between the steps of any 8-bit grid; LL without averaging does not."""

    def steps_of(outcome):
        weights = load_file(str(outcome.folder / "model.safetensors"))["fc.weight"]
        whole = weights / 2.0 ** (torch.floor(torch.log2(weights.abs().amax(dim=1, keepdim=True))) - 6)
        return torch.equal(whole, whole.round())

    assert not steps_of(run("eb-lf")) and not steps_of(run("eb-ll")) and not steps_of(run("eb-ll master"))
    rounded = run_small(runs_dir, **BRIEF, method="eb-ll", average=False, name="rounded")
    assert steps_of(rounded)
    assert rounded.result["useful"]["flops_by_precision"]["bfp8"] > 0
    by_precision = {row["phase"]: row["flops_by_precision"] for row in run("eb-lf").result["phases"]}
    assert by_precision["search"]["bfp8"] > 0 and "bfp8" not in by_precision["retrain"]


def test_the_chosen_ratio_is_the_largest_that_keeps_its_budget(run):
    outcome = run("eb-ff auto")
    ticket = outcome.result["ticket"]
    checks = ticket["checks"]
    dense, tried = checks[0]["accuracy"], checks[1:]
    within = [row["prune_ratio"] for row in tried if row["accuracy"] >= dense - 60.0]
    assert within == [ticket["prune_ratio"]] == [tried[-1]["prune_ratio"]]
    assert json.loads((outcome.folder / "ticket.json").read_text())["prune_ratio"] == ticket["prune_ratio"]


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(method="snip", rounds=2), "--rounds is for methods that can prune again"),
        (dict(method="dense", retrain="reinit"), "--retrain is for methods that prune a trained network"),
        (dict(method="lt", retrain="fine-tune", rewind_epoch=1), "--rewind-epoch is for --retrain weight-rewind"),
        (dict(method="lt", draw_epoch=1, rewind_epoch=2), "there is no epoch 2 to rewind to"),
        (dict(method="lt", search="ppr"), "--search ppr is not for lt. It is for eb-ff"),
        (dict(method="eb-ff", search="fixed"), "needs to know after which epoch"),
        (dict(method="eb-ff", search="pprr"), "Did you mean 'ppr'"),
        (dict(method="eb-ff", search="ppr", validation=0.0), "images that are set aside"),
        (dict(method="eb-ff", accuracy_budget=1.0), "--accuracy-budget is for --prune-ratio auto"),
        (dict(method="eb-ff", search="ppr", draw_epoch=2), "--search ppr finds the draw epoch itself"),
        (dict(method="eb-ff", prune_ratio="auto", accuracy_budget=-1.0), "--accuracy-budget must not be negative"),
        (dict(method="l1-filters", filter_rates="A", prune_ratio=0.9), "published filter rates say what to prune"),
        (dict(method="gradual", draw_epoch=3, gradual_epochs=2), "ends after the schedule's 3"),
        (dict(method="ns", rewind_epoch=0), "--rewind-epoch is for --retrain weight-rewind"),
        (dict(method="ns", prune_ratio="auto"), "--prune-ratio auto is for the search"),
        (dict(method="ns", prune_ratio="half"), "must be a number or 'auto'"),
        (dict(method="gradual", gradual_epochs=2, gradual_steps=3), "--gradual-steps must lie between 1 and"),
        (dict(method="ns", structured=True), "--structured is for snip"),
        (dict(method="l1-filters", model="vgg19", filter_rates="A"), "no published filter rates"),
        (dict(method="eb-ll", precision="fp32"), "eb-ll trains in bfp8, not in fp32. Use --method eb-ff"),
        (dict(method="eb-lf", precision="bfp8"), "Use --method eb-ll"),
        (dict(method="dense", precision="bfp"), "Did you mean 'bfp8'"),
        (
            dict(method="eb-ff", master_weights=True),
            "--master-weights is for training in bfp8; this run trains in fp32",
        ),
        (dict(method="eb-ll", average=True, measure_epochs=1), "never reaches the last epochs"),
        (dict(method="sfp", average=True), "sfp removes what is exactly zero"),
    ],
)
def test_a_setting_that_a_method_does_not_have_is_refused_with_words(options, words, tmp_path):
    with pytest.raises(UsageError) as refused:
        run_small(tmp_path, **{**BRIEF, **options})
    assert words in f"{refused.value.message} {refused.value.hint or ''}"
    assert not list(tmp_path.iterdir())
