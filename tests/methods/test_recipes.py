"""The recipes, read as data: the phases the papers describe, in order."""

import dataclasses

import pytest

from energytrain.errors import UsageError
from energytrain.methods.catalog import METHODS, method_info, recipe_of
from energytrain.methods.phases import DRAW_EPOCH, MaskDistance, Prune, Train
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


def test_every_method_has_a_recipe_and_an_unknown_one_names_the_nearest(spec):
    for name in METHODS:
        assert recipe_of(dataclasses.replace(spec, method=name))
    with pytest.raises(UsageError, match="Did you mean 'eb-ff'"):
        method_info("eb-fff")
