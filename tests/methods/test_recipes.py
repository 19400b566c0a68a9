"""The recipes, read as data: the phases the papers describe, in order."""

import dataclasses

import pytest

from energytrain.errors import UsageError
from energytrain.methods.catalog import METHODS, method_info, recipe_of
from energytrain.methods.phases import DRAW_EPOCH, MaskDistance, MaskWeights, Prune, PseudoPrune, Rewind, Train
from energytrain.training.schedule import Schedule


@pytest.fixture()
def spec(paper_spec):
    return paper_spec


def test_dense_is_the_whole_schedule(spec):
    (phase,) = recipe_of(dataclasses.replace(spec, method="dense"))
    assert phase == Train("train", 0, 160, Schedule(0.1, 160, (80, 120)))


def test_eb_ff_searches_draws_and_continues_the_schedule_where_it_drew(spec):
    search, prune, retrain = recipe_of(spec)
    assert search.name == "search" and (search.first, search.last) == (0, 160)
    assert search.until == MaskDistance(0.5, 0.1, 5, "paper") and search.l1 == 1e-4
    assert prune == Prune("drawn", "inherit")
    assert retrain.first is DRAW_EPOCH and retrain.last == 160
    assert retrain.l1 == 0 and retrain.until is None
    assert retrain.schedule == Schedule(0.1, 160, (80, 120))


@pytest.mark.parametrize(
    ("method", "precision", "search", "retrain"),
    [("eb-ff", "fp32", "fp32", "fp32"), ("eb-lf", "fp32", "bfp8", "fp32"), ("eb-ll", "bfp8", "bfp8", "bfp8")],
)
def test_lf_and_ll_are_ff_in_another_precision(spec, method, precision, search, retrain):
    ours = recipe_of(dataclasses.replace(spec, method=method, precision=precision))
    theirs = recipe_of(spec)
    assert (ours[0].precision, ours[2].precision) == (search, retrain)
    assert dataclasses.replace(ours[0], precision="fp32") == theirs[0] and ours[1] == theirs[1]
    assert dataclasses.replace(ours[2], precision="fp32") == theirs[2]


def test_averaging_begins_at_seven_eighths_of_the_last_training(spec):
    """Epoch 140 of 160, as in the paper's code."""
    search, _, retrain = recipe_of(dataclasses.replace(spec, method="eb-ll", precision="bfp8", average=True))
    assert (search.average_from, retrain.average_from) == (None, 140)
    (dense,) = recipe_of(dataclasses.replace(spec, method="dense", average=True, epochs=30))
    assert dense.average_from == 26
    phases = recipe_of(dataclasses.replace(spec, method="ns", average=True, retrain="fine-tune", retrain_epochs=40))
    assert [p.average_from for p in phases if isinstance(p, Train)] == [None, 35]


def test_eb_reinit_starts_fresh_and_runs_the_whole_schedule(spec):
    _, prune, retrain = recipe_of(dataclasses.replace(spec, method="eb-reinit"))
    assert prune.weights == "fresh" and (retrain.first, retrain.last) == (0, 160)


def test_the_random_ticket_differs_from_eb_ff_in_the_choice_alone(spec):
    ours = recipe_of(dataclasses.replace(spec, method="random-ticket"))
    theirs = recipe_of(spec)
    assert ours[1] == dataclasses.replace(theirs[1], choose="random")
    assert (ours[0], ours[2]) == (theirs[0], theirs[2])


def test_search_and_retraining_have_schedules_of_their_own(spec):
    search, _, retrain = recipe_of(dataclasses.replace(spec, search_lr=0.01, search_milestones=(0, 100)[1:]))
    assert (search.schedule.lr, search.schedule.milestones) == (0.01, (100,))
    assert (retrain.schedule.lr, retrain.schedule.milestones) == (0.1, (80, 120))


def test_a_ticket_from_a_file_skips_the_search(spec):
    given = dataclasses.replace(spec, ticket="hash")
    assert [p.name for p in recipe_of(given)] == ["prune", "retrain"]
    assert recipe_of(given)[0].choose == "given"


def test_l1_stays_in_retraining_only_when_asked(spec):
    assert recipe_of(dataclasses.replace(spec, l1_retrain=True))[2].l1 == 1e-4


SETTINGS = {
    "lt": dict(retrain="weight-rewind", retrain_epochs=160),
    "lt-iterative": dict(retrain="weight-rewind", retrain_epochs=160, rounds=3),
    "lt-rewind": dict(retrain="weight-rewind", retrain_epochs=144),
    "ns": dict(retrain="lr-rewind", retrain_epochs=160),
    "thinet": dict(retrain="fine-tune", retrain_epochs=160),
    "l1-filters": dict(retrain="fine-tune", retrain_epochs=40),
    "gradual": dict(
        search="fixed", draw_epoch=80, retrain="lr-rewind", retrain_epochs=160, gradual_epochs=40, gradual_steps=40
    ),
    "early-gradual": dict(
        search="ppr",
        ppr_lr=0.01,
        ppr_eps=0.005,
        retrain="lr-rewind",
        retrain_epochs=160,
        gradual_epochs=40,
        gradual_steps=4,
    ),
}


def of(spec, method, **changes):
    return recipe_of(dataclasses.replace(spec, method=method, **{**SETTINGS.get(method, {}), **changes}))


def test_the_lottery_ticket_trains_masks_goes_back_and_trains_again(spec):
    train, prune, rewind, retrain = of(spec, "lt")
    assert (train.name, train.first, train.last, train.keep) == ("train", 0, 160, (0,))
    assert prune == MaskWeights("magnitude", 0.5) and rewind == Rewind(0)
    assert (retrain.first, retrain.last, retrain.schedule) == (0, 160, Schedule(0.1, 160, (80, 120)))


def test_every_round_prunes_the_same_share_of_what_is_left_and_goes_back_to_the_first_training(spec):
    phases = of(spec, "lt-iterative", prune_ratio=1 - 0.8**3, retrain_epochs=120)
    prunes = [p.prune_ratio for p in phases if isinstance(p, MaskWeights)]
    assert prunes == pytest.approx([0.2, 0.36, 0.488])
    assert [p.to for p in phases if isinstance(p, Rewind)] == [40, 40, 40]
    names = [p.name for p in phases]
    assert len(set(names)) == len(names) and phases[0].keep == (40,)


@pytest.mark.parametrize(
    "technique, weights, schedule, first, last",
    [
        ("fine-tune", None, Schedule(0.001, 30), 0, 30),
        ("weight-rewind", 130, Schedule(0.1, 160, (80, 120)), 130, 160),
        ("lr-rewind", None, Schedule(0.1, 160, (80, 120)), 130, 160),
        ("low-lr-rewind", 130, Schedule(0.001, 30), 0, 30),
        ("reinit", "fresh", Schedule(0.1, 190, (80, 120)), 0, 190),
    ],
)
def test_a_retraining_technique_is_weights_schedule_and_length(technique, weights, schedule, first, last, spec):
    """Renda et al. 2020, Section 2.3 and Appendix E: TRAIN^t(W, m, g), t = 30."""
    phases = of(spec, "ns", retrain=technique, retrain_epochs=30)
    retrain, back = phases[-1], [p.to for p in phases if isinstance(p, Rewind)]
    assert back == ([] if weights is None else [weights])
    assert (retrain.first, retrain.last) == (first, last)
    assert dataclasses.replace(retrain.schedule, lr=round(retrain.schedule.lr, 9)) == schedule
    assert phases[0].l1 == 1e-4 and phases[1] == Prune("bn-scale", prune_ratio=0.5)


def test_weights_can_be_rewound_apart_from_the_schedule(spec):
    """ "The sooner the better", Figure 1: structure of epoch s, weights of epoch v, the whole schedule."""
    changes = dict(search="fixed", draw_epoch=100, rewind_epoch=20)
    train, _, rewind, retrain = of(spec, "lt", **changes)
    assert (train.last, train.keep, rewind.to, retrain.first, retrain.last) == (100, (20,), 20, 0, 160)


def test_snip_chooses_before_any_training(spec):
    assert of(spec, "snip") == (MaskWeights("snip", 0.5), Train("train", 0, 160, Schedule(0.1, 160, (80, 120))))
    assert [p.name for p in of(spec, "snip", retrain="reinit")] == ["prune", "rewind", "train"]
    assert of(spec, "snip", structured=True)[0] == Prune("snip", prune_ratio=0.5)


def test_soft_pruning_is_one_training_and_a_removal(spec):
    train, prune = of(spec, "sfp")
    assert (train.soft, train.last, prune) == (0.5, 160, Prune("l2-filters", prune_ratio=0.5))


def test_gradual_pruning_has_a_window_and_a_full_length_retraining(spec):
    train, window, retrain = of(spec, "gradual")
    assert (train.last, window.first, window.length, window.gradual.steps) == (80, 80, 40, 40)
    assert (retrain.first, retrain.last) == (0, 160)
    search, window, _ = of(spec, "early-gradual")
    assert search.until == PseudoPrune(0.5, "weights", 0.01, 0.005, 5) and search.l1 == 0
    assert window.first is DRAW_EPOCH and window.gradual.steps == 4


def test_a_search_can_end_at_a_given_epoch_or_by_the_pseudo_prune_check(spec):
    fixed = of(spec, "eb-ff", search="fixed", draw_epoch=20)
    assert (fixed[0].last, fixed[0].until.rule) == (20, "fixed") and fixed[2].first is DRAW_EPOCH
    checked = of(spec, "eb-ff", search="ppr", ppr_lr=0.01, ppr_eps=0.005)
    assert checked[0].until == PseudoPrune(0.5, "channels", 0.01, 0.005, 5) and checked[0].l1 == 1e-4


def test_every_method_has_a_recipe_and_an_unknown_one_names_the_nearest(spec):
    for name in METHODS:
        names = [phase.name for phase in of(spec, name)]
        assert names and len(set(names)) == len(names)
    with pytest.raises(UsageError, match="Did you mean 'eb-ff'"):
        method_info("eb-fff")
