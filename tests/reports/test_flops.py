"""FLOPs by precision: written apart, and added in the paper's count alone."""

import pytest
from reports.emulated import flops_by_hand, result

from energytrain.reports.flops import (
    PAPER_COUNT_MEANS,
    by_precision,
    cell,
    in_words,
    paper_count,
    precision_line,
    precisions,
    written,
)

MATRIX = ("conv", "linear")


@pytest.fixture(scope="module")
def mixed():
    return result("eb-lf", search="bfp8")


def test_a_search_in_8_bits_and_a_retraining_in_fp32_stay_apart(mixed):
    found = by_precision(mixed["useful"])
    assert list(found) == ["fp32", "bfp8"]
    assert found["bfp8"] == flops_by_hand(0.125, "bfp8", MATRIX)
    rest = flops_by_hand(0.125, "bfp8", of="fp32")
    assert rest > 0 and found["fp32"] == rest + flops_by_hand(0.0625, "fp32")


def test_the_paper_counts_a_multiply_add_alike_in_every_precision(mixed):
    plain = result("eb-ff")
    by_hand = flops_by_hand(0.125, "fp32", MATRIX) + flops_by_hand(0.0625, "fp32", MATRIX)
    assert paper_count(mixed["useful"]) == paper_count(plain["useful"]) == by_hand
    assert mixed["useful"]["matrix_flops"] == by_hand
    assert by_hand < plain["useful"]["flops"], "normalisation and update are not on the paper's bill"


def test_precisions_come_in_the_ledger_s_order_and_those_without_work_not_at_all(mixed):
    rows = [{"flops_by_precision": {"fp8_e5m2": 1, "bf16": 0}}, {"flops_by_precision": {"fp32": 2}}]
    assert precisions(rows) == ["fp32", "fp8_e5m2"] and precisions([]) == []
    assert precisions(mixed["phases"]) == ["fp32", "bfp8"]


def test_a_cell_names_precisions_where_there_are_several():
    found = {"fp32": 2e9, "bfp8": 5e12}
    assert cell(found, ["fp32", "bfp8"], written) == "2 G fp32\n5 T bfp8"
    assert cell({"fp32": 2e9}, ["fp32", "bfp8"], written) == "2 G fp32", "though this row has but one"
    assert cell({"fp32": 2e9}, ["fp32"], written) == "2 G" and cell({}, ["fp32"], written) == ""
    assert precision_line(["bf16"]) == ["All FLOPs are in bf16."]
    assert precision_line(["fp32", "bfp8"]) == [PAPER_COUNT_MEANS] and precision_line([]) == []


def test_a_sentence_never_adds_them(mixed):
    assert in_words({"flops_by_precision": {"fp32": 2e9, "bfp8": 5e12}}) == "2 GFLOPs in fp32 and 5 TFLOPs in bfp8"
    assert in_words({"flops_by_precision": {}}) == "no FLOPs"
