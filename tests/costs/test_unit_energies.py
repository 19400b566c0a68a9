"""What an 8-bit FLOP costs beside one in fp32: the published numbers, worked out by hand."""

import pytest

from energytrain.costs.unit_energies import SOURCES, unit_ratio

HOROWITZ = (0.23 / 4.6, 0.3 / 4.6)
JOUPPI = (0.077 / 1.69, 0.1 / 1.69)


def test_each_source_gives_a_multiply_add_with_a_sum_of_8_and_of_32_bits():
    assert [source.name for source in SOURCES] == ["Horowitz 2014", "Jouppi 2021"]
    for source, expected in zip(SOURCES, (HOROWITZ, JOUPPI)):
        assert source.ratios() == pytest.approx(expected)


def test_the_ratio_is_the_geometric_mean_of_all_between_the_least_and_the_greatest():
    ratio = unit_ratio()
    product = HOROWITZ[0] * HOROWITZ[1] * JOUPPI[0] * JOUPPI[1]
    assert ratio.value == pytest.approx(product**0.25)
    assert (ratio.low, ratio.high) == pytest.approx((JOUPPI[0], HOROWITZ[1]))
    assert ratio.low < ratio.value < ratio.high


def test_sources_in_json_say_where_and_when_they_come_from():
    for source in SOURCES:
        data = source.to_json()
        assert set(data) == {"name", "source", "date", "process", "picojoules", "ratios"}
        assert data["date"] in data["source"] and f"{data['process']} nm" in data["source"]
        assert set(data["picojoules"]) == {"fp32_multiply", "fp32_add", "int8_multiply", "int8_add", "int32_add"}
