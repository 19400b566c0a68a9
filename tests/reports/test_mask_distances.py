"""Mask distances as people read them: a whole matrix, and columns that fit the terminal."""

import io

import pytest
from execution.small import run_small
from rich.console import Console

from energytrain.errors import UsageError
from energytrain.reports.mask_distances import distance_table, mask_distances


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    common = dict(epochs=4, limit=128, eps=0.01, queue=4)
    return [run_small(folder, method="eb-ff", name=f"seed{seed}", seed=seed, **common).folder for seed in (0, 1)]


def shown(found, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(distance_table(found, width))
    return console.file.getvalue()


def test_one_run_is_compared_between_its_epochs(runs):
    found = mask_distances(runs[:1])
    assert found["names"] == ["1", "2", "3", "4"] and found["kept"] == [0.5] * 4
    rows = found["distances"]
    assert all(rows[i][i] == 0 and rows[i][j] == rows[j][i] <= 1 for i in range(4) for j in range(4))
    assert "epochs" in shown(found, 80)


def test_several_runs_are_compared_by_their_tickets(runs):
    found = mask_distances(runs)
    assert found["names"] == ["seed0", "seed1"] and 0.3 < found["distances"][0][1] < 0.7
    assert "1 seed0" in shown(found, 80)


def test_a_wide_matrix_shows_the_columns_that_fit():
    names = [str(i) for i in range(1, 161)]
    found = {"between": "epochs of the search", "names": names, "kept": [0.5] * 160, "distances": [[0.25] * 160] * 160}
    lines = shown(found, 80).splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) > 160
    assert lines[3].split()[-1] == "160" or "160" in "".join(lines[:6])


def test_a_run_without_masks_is_refused(tmp_path):
    outcome = run_small(tmp_path, method="dense", epochs=1, limit=128)
    with pytest.raises(UsageError, match="watched no masks"):
        mask_distances([outcome.folder])
