"""Compared runs that were metered under unlike conditions: one sentence each, and none for like ones."""

from energytrain.reports.comparing.differences import differences, marks


def run(name, device="nvidia-gpu", **changed):
    """A run on nvml:0; `changed` names what is unlike the others: celsius, hertz, memory, limit_watts, held, foreign,
    mode."""

    def number(quantity, value):
        return {"quantity": quantity, "meter": "nvml conditions", "min": value, "mean": value, "max": value}

    conditions = {
        "nvml:0 temperature": number("celsius", changed.get("celsius", 60.0)),
        "nvml:0 SM clock": number("hertz", changed.get("hertz", 1.4e9)),
        "nvml:0 memory clock": number("hertz", changed.get("memory", 2.6e9)),
        "nvml:0 power limit": number("limit_watts", changed.get("limit_watts", 300.0)),
        "nvml:0 clock events": {
            "quantity": "flags",
            "meter": "nvml conditions",
            "shares": {"0x1": 0.1, **changed.get("held", {})},
        },
        "nvml:0 performance state": {
            "quantity": "state",
            "meter": "nvml conditions",
            "shares": {"0": changed.get("fast", 1.0), "2": 1 - changed.get("fast", 1.0)},
        },
        "nvml:0 foreign processes": {**number("count", 0.0), "share": changed.get("foreign", 0.0)},
        "nvml:0 hot spot temperature": number("celsius", changed.get("spot", 70.0)),
        "jtop cpu0 clock": number("hertz", changed.get("core", 1.2e9)),
        "jtop:thermal throttling": {**number("count", 0.0), "share": changed.get("slowed", 0.0)},
        "jtop power mode": {"quantity": "state", "meter": "jtop conditions", "shares": {changed.get("mode", "0"): 1.0}},
    }
    return {"name": name, "device": {"name": device}, "conditions": conditions}


def only(*runs):
    (sentence,) = differences(runs)
    return sentence


def test_like_runs_have_no_difference():
    assert (
        differences([run("a"), run("b", celsius=69.0, hertz=1.42e9, memory=2.0e9, fast=0.5, core=2e9), run("c")]) == []
    )
    assert differences([run("a")]) == [] and differences([]) == []


def test_each_difference_is_one_sentence_with_its_runs():
    assert only(run("a"), run("b", hertz=1.3e9)) == (
        "the mean of 'nvml:0 SM clock' differs: 1300 MHz in 'b', 1400 MHz in 'a'"
    )
    assert "300 W in 'a', 350 W in 'b'" in only(run("a"), run("b", limit_watts=350.0))
    assert "60 °C in 'a', 72 °C in 'c'" in only(run("a"), run("b", celsius=65.0), run("c", celsius=72.0))
    spots = only(run("a"), run("b", celsius=72.0, spot=95.0))
    assert "hot spot" in spots and "95 °C in 'b'" in spots, "of several sensors the one that differs most"
    assert "0 in 'a', 3 in 'b'" in only(run("a"), run("b", mode="3"))
    throttled = only(run("a"), run("b", held={"0x40": 0.12}))
    assert "nvml:0 was throttled in 'b' (hw thermal slowdown 12 %) and not in 'a'" in throttled
    assert "jtop was throttled in 'a' (thermal throttling 5 %)" in only(run("a", slowed=0.05), run("b"))
    assert "'b' (40 % of its training)" in only(run("a"), run("b", foreign=0.4))


def test_throttling_in_all_runs_is_no_difference():
    assert differences([run("a", held={"0x4": 0.5}), run("b", held={"0x4": 0.1})]) == []


def test_several_differences_are_several_sentences():
    assert len(differences([run("a"), run("b", celsius=90.0, hertz=1.0e9, held={"0x40": 0.9})])) == 3


def test_unlike_devices_and_runs_that_know_nothing_are_not_compared():
    assert differences([run("a"), run("b", device="tx2", hertz=1e9)]) == []
    silent = {"name": "c", "device": {"name": "nvidia-gpu"}, "conditions": {}}
    assert differences([run("a"), silent]) == []


def test_runs_of_one_name_in_two_folders_are_two():
    assert "1300 MHz in 'a#2', 1400 MHz in 'a'" in only(run("a"), run("a", hertz=1.3e9))


def test_runs_that_are_alike_have_no_marks():
    assert marks([run("a"), run("b", celsius=69.0), run("c")]) == [[], [], []]
    assert marks([run("a")]) == [[]] and marks([]) == []


def test_each_run_has_marks_of_its_own_in_the_order_of_the_results():
    assert marks([run("a"), run("b", mode="3", limit_watts=250.0)]) == [
        ["jtop power mode: 0", "nvml:0 power limit: 300 W"],
        ["jtop power mode: 3", "nvml:0 power limit: 250 W"],
    ]
    assert marks([run("a"), run("b", hertz=1.0e9), run("c")]) == [
        ["nvml:0 SM clock: 1400 MHz"],
        ["nvml:0 SM clock: 1000 MHz"],
        ["nvml:0 SM clock: 1400 MHz"],
    ]
    assert marks([run("a"), run("b", held={"0x40": 0.12})]) == [[], ["nvml:0 throttled: hw thermal slowdown 12 %"]]
    assert marks([run("a", foreign=0.4), run("b")]) == [["foreign processes: 40 %"], []]
    assert marks([run("a"), run("b", celsius=90.0)])[1] == ["nvml:0 temperature: 90 °C"]


def test_marks_are_among_runs_of_one_device_and_of_runs_of_one_name_each_has_its_own():
    other = run("x", device="tx2", mode="5")
    assert marks([other, run("a"), run("a", mode="3")]) == [[], ["jtop power mode: 0"], ["jtop power mode: 3"]]


def test_there_are_marks_exactly_where_there_are_sentences():
    for changed in ({}, {"hertz": 1e9}, {"limit_watts": 1.0}, {"slowed": 0.5}, {"mode": "7"}, {"celsius": 99.0}):
        runs = [run("a"), run("b", **changed)]
        assert any(marks(runs)) == bool(differences(runs))
