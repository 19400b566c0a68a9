"""The main job at its default settings, three seeds. Digits are a smoke test: no conclusion on methods is drawn."""

import pytest

from energytrain.execution.listener import Silent
from energytrain.execution.resolve import resolve
from energytrain.execution.run import execute


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_eb_ff_keeps_dense_accuracy_at_six_tenths_of_its_flops(seed, tmp_path):
    def result_of(method):
        options = {"method": method, "seed": seed, "runs_dir": str(tmp_path), "device": "generic-cpu", "compute": "cpu"}
        return execute(*resolve({**options, "meter": ("none",)}), Silent()).result

    dense, eb, chance = result_of("dense"), result_of("eb-ff"), result_of("random-ticket")
    assert eb["useful"]["flops"] <= 0.6 * dense["useful"]["flops"], "search included"
    assert eb["ticket"]["draw_epoch"] < eb["spec"]["epochs"] / 2 and not eb["ticket"]["forced"]
    assert eb["accuracy"]["test"] >= dense["accuracy"]["test"] - 1.0
    # Beside it, for whoever reads the log; on digits it shows nothing about the choice of channels.
    figures = [(r["spec"]["method"], r["accuracy"]["test"], r["useful"]["flops"]) for r in (dense, eb, chance)]
    print(f"seed {seed}:", figures, "draw epoch", eb["ticket"]["draw_epoch"])
    assert chance["ticket"]["draw_epoch"] == eb["ticket"]["draw_epoch"]
