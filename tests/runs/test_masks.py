"""Masks that runs leave: as they were drawn, and apart by the share of marks in which they differ."""

import numpy as np
import pytest
from execution.small import run_small

from energytrain.errors import UsageError
from energytrain.pruning.distance import mask_distance
from energytrain.pruning.ticket import Ticket
from energytrain.pruning.weight_ticket import WeightTicket
from energytrain.runs.masks import decode, distance, encode, search_masks, ticket_mask


def test_marks_survive_their_text_whatever_their_number():
    chance = np.random.default_rng(0)
    for sizes in ([1], [7, 9], [8], [3, 64, 130]):
        parts = [chance.random(size) < 0.5 for size in sizes]
        assert np.array_equal(decode(encode(parts), sum(sizes)), np.concatenate(parts))


def test_the_distance_is_the_share_of_marks_that_differ():
    one = np.array([True, False, True, True])
    assert distance(one, ~one) == 1 and distance(one, one) == 0
    assert distance(one, np.array([True, True, True, True])) == 0.25
    with pytest.raises(UsageError, match="different networks"):
        distance(one, one[:3])


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    return run_small(tmp_path_factory.mktemp("runs"), method="eb-ff", eps=0.01, queue=4, epochs=4, limit=128)


def test_the_masks_of_a_search_give_its_distances_and_end_in_its_ticket(search):
    masks = search_masks(search.folder)
    assert list(masks) == [1, 2, 3, 4]
    found = [row["distance"] for row in search.result["distances"]]
    assert [distance(masks[e], masks[e + 1]) for e in (1, 2, 3)] == pytest.approx(found)
    assert np.array_equal(masks[4], ticket_mask(search.folder))
    ticket = Ticket.load(search.folder / "ticket.json")
    assert ticket_mask(search.folder).sum() == sum(ticket.kept_counts.values())
    assert mask_distance(ticket.mask, ticket.mask) == distance(masks[4], ticket_mask(search.folder)) == 0


def test_a_ticket_of_weights_has_its_marks_in_the_order_of_its_layers(tmp_path):
    outcome = run_small(tmp_path, method="lt", epochs=2, limit=128)
    mask = WeightTicket.load(outcome.folder / "ticket.json").mask
    expected = np.concatenate([part.reshape(-1).numpy() for part in mask.values()])
    assert np.array_equal(ticket_mask(outcome.folder), expected)
    assert search_masks(outcome.folder) == {}


def test_a_run_without_a_ticket_is_refused(tmp_path):
    outcome = run_small(tmp_path, method="dense", epochs=1, limit=128)
    with pytest.raises(UsageError, match="has no ticket"):
        ticket_mask(outcome.folder)
