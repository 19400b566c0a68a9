"""Results whose marks were not kept: shown as they stand, or refused where another version computed them."""

import json
import shutil
from pathlib import Path

import pytest

from energytrain.errors import UsageError
from energytrain.runs.load import load_runs
from energytrain.runs.result import run_result

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results"
KEPT = sorted(path.parent for path in COMMITTED.glob("*/*/result.json"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_a_committed_result_is_shown_as_it_stands(path: Path) -> None:
    before = (path / "result.json").read_bytes()
    result = run_result(path)
    assert result["status"] == "done" and result["useful"]["flops"] > 0
    assert (path / "result.json").read_bytes() == before
    assert not (path / "events.jsonl").exists()


def test_committed_results_load_as_a_table() -> None:
    runs = load_runs(KEPT).runs
    assert list(runs["run"]) == [path.name for path in KEPT]
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
