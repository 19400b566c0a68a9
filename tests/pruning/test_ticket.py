"""Tickets as data: there and back, atomic files, and nothing unsound is let in."""

import copy
import json
import os

import pytest
import torch

from energytrain.errors import RunFailed, UsageError
from energytrain.pruning.masks import bn_scale_mask
from energytrain.pruning.rebuild import rebuild
from energytrain.pruning.ticket import Ticket

TICKET = Ticket({"a": (0, 2), "b": (1,)}, {"a": 3, "b": 2}, 0.4, 7, "bn-scale", (0.2, 0.05), 8, {"rule": "paper"})


def test_json_and_files_give_the_same_ticket(tmp_path):
    assert Ticket.from_json(json.loads(json.dumps(TICKET.to_json()))) == TICKET
    TICKET.save(tmp_path / "ticket.json")
    assert Ticket.load(tmp_path / "ticket.json") == TICKET
    assert os.listdir(tmp_path) == ["ticket.json"]


def test_masks_there_and_back(network):
    mask = bn_scale_mask(network, 0.4)
    ticket = Ticket.from_mask(mask, 0.4, draw_epoch=3)
    assert all(torch.equal(ticket.mask[name], mask[name]) for name in mask)
    assert ticket.kept_counts == {name: int(kept.sum()) for name, kept in mask.items()}


def test_another_mask_keeps_the_history():
    other = TICKET.with_mask({"a": torch.tensor([True, False, False]), "b": torch.ones(2).bool()}, criterion="random")
    assert other.kept == {"a": (0,), "b": (0, 1)}
    assert (other.draw_epoch, other.distances, other.criterion) == (7, (0.2, 0.05), "random")


@pytest.mark.parametrize(
    "path, value",
    [
        (("schema_version",), None),
        (("schema_version",), True),
        (("schema_version",), 2),
        (("kept",), None),
        (("kept",), {}),
        (("kept", "a"), []),
        (("kept", "a"), [0, 3]),
        (("kept", "a"), [-1, 0]),
        (("kept", "a"), [0, 0]),
        (("kept", "a"), [2, 0]),
        (("kept", "a"), [0.0, 2.0]),
        (("kept", "a"), [False, True]),
        (("kept", "a"), "02"),
        (("kept", "c"), [0]),
        (("widths",), {"a": 3}),
        (("widths", "a"), 0),
        (("widths", "a"), 10**12),
        (("widths", "a"), "3"),
        (("prune_ratio",), 0),
        (("prune_ratio",), 1.0),
        (("prune_ratio",), "0.4"),
        (("prune_ratio",), float("nan")),
        (("draw_epoch",), -1),
        (("draw_epoch",), 1.5),
        (("align",), 0),
        (("criterion",), 3),
        (("distances",), [2.0]),
        (("distances",), [float("inf")]),
        (("distances",), 0.1),
        (("notes",), {"a": 1}),
        (("notes",), "text"),
    ],
)
def test_unsound_tickets_are_refused(tmp_path, path, value):
    data = copy.deepcopy(TICKET.to_json())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file = tmp_path / "t.json"
    file.write_text(json.dumps(data))
    with pytest.raises(UsageError, match="t.json: the ticket (is unsound|has schema)"):
        Ticket.load(file)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b"[]", b"null", b'"x"'])
def test_what_is_no_ticket_is_refused(tmp_path, content):
    file = tmp_path / "t.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="t.json"):
        Ticket.load(file)


def test_a_missing_and_an_oversized_file(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        Ticket.load(tmp_path / "none.json")
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(UsageError, match="too large"):
        Ticket.load(tmp_path / "huge.json")


def test_an_unwritable_folder_is_said(tmp_path):
    with pytest.raises(RunFailed, match="cannot write the ticket"):
        TICKET.save(tmp_path / "none" / "ticket.json")


def test_a_ticket_of_another_network_does_not_rebuild(network_of):
    with pytest.raises(UsageError, match="does not fit this network"):
        rebuild(network_of("vgg16"), TICKET)
