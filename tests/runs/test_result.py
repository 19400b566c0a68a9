"""Kept results are shown as they stand, or refused where another version computed them; what makes a cache stale."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from runs.emulated import result as made_result

from energytrain.errors import UsageError
from energytrain.runs.load import load_runs
from energytrain.runs.result import run_result

ROOT = Path(__file__).parents[2]
KEPT = sorted(
    path.parent
    for folder in (ROOT / "tests" / "kept_runs", ROOT / "benchmarks" / "results" / "cifar-small")
    for path in folder.glob("*/result.json")
)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_a_committed_result_is_shown_as_it_stands(path: Path) -> None:
    before = (path / "result.json").read_bytes()
    result = run_result(path)
    assert result["status"] == "done" and result["useful"]["flops"] > 0
    assert (path / "result.json").read_bytes() == before
    assert not (path / "events.jsonl").exists()


def test_committed_results_load_as_a_table() -> None:
    runs = load_runs(KEPT).runs
    assert len(runs) == len(KEPT) and set(runs["run"]) >= {path.name for path in KEPT}
    assert (runs["useful_flops_fp32"] == runs["useful_flops"]).all() and not runs["useful_flops_bfp8"].any()
    assert not runs["useful_what_if"].any()


def test_a_kept_result_of_another_version_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(KEPT[0], folder)
    old = dict(json.loads((folder / "result.json").read_text()), schema_version=1)
    (folder / "result.json").write_text(json.dumps(old))
    with pytest.raises(UsageError, match="has version 1"):
        run_result(folder)
    assert json.loads((folder / "result.json").read_text()) == old


def test_a_cache_is_computed_anew_when_an_input_changes_in_size_time_or_content(
    tmp_path: Path, paper_spec: Any
) -> None:
    path = tmp_path / "run"
    first = made_result(path, dataclasses.replace(paper_spec, device="tx2"))
    marks, cache = path / "events.jsonl", path / "result.json"
    told = {**json.loads(cache.read_text()), "energy_model": "told"}
    cache.write_text(json.dumps(told))
    assert run_result(path)["energy_model"] == "told", "untouched, it is not computed again"
    shutil.copytree(path, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "events.jsonl", (0, 0))
    assert run_result(tmp_path / "copy")["energy_model"] == "told", "the same content under another time"
    # As long as before, and dated back by a clock that was set.
    before = marks.read_bytes()
    marks.write_bytes(before.replace(b'"images": 1', b'"images": 2'))
    assert len(marks.read_bytes()) == len(before) and marks.read_bytes() != before
    os.utime(marks, (1, 1))
    found = run_result(path)
    assert found["energy_model"] == first["energy_model"] and found["useful"]["images"] != first["useful"]["images"]
    assert json.loads(cache.read_text())["key"] == found["key"]


@pytest.mark.parametrize(
    "damage",
    [{"key": "x"}, {"key": {"inputs": 3}}, {"stamps": [1]}, {"key": None, "stamps": None}, {"stamps": "run.json"}],
)
def test_a_damaged_cache_is_computed_anew(tmp_path: Path, paper_spec: Any, damage: Any) -> None:
    path = tmp_path / "run"
    first = made_result(path, dataclasses.replace(paper_spec, device="tx2"))
    (path / "result.json").write_text(json.dumps({**first, **damage}))
    assert run_result(path)["useful"] == first["useful"]
