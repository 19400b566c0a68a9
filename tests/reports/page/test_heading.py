"""What the page says first: of what it is, and where its energies come from."""

from reports.charts.making import energy, run

from energytrain.reports.page.heading import heading


def test_one_run_is_told_with_its_method():
    top = heading([run("a")])
    assert top.title == "Energy against accuracy: vgg16 on cifar10"
    assert top.lead.startswith(
        "One run that trained vgg16 on cifar10 by eb-ff (Early-Bird Train, full precision): what it cost in energy, and"
    )
    ((what, means),) = top.standing
    assert what == "Energy modelled for tx2" and "nobody read it from a meter" in means


def test_several_runs_are_counted_with_what_they_trained():
    runs = [run("a"), run("b", method="dense"), run("c", method="unknown", dataset="digits", model="resnet18")]
    runs[2].result["useful"]["energy"] = energy(None)
    top = heading(runs)
    assert top.title == "Energy against accuracy: resnet18 and vgg16 on cifar10 and digits"
    assert "3 runs that trained resnet18 and vgg16 on cifar10 and digits by 3 methods: what each cost" in top.lead
    assert [what for what, _ in top.standing] == ["Energy modelled for tx2", "Energy missing (tx2)"]
    assert [means[:9] for _, means in top.standing] == ["2 of 3 ru", "1 of 3 ru"]


def test_many_models_are_only_counted():
    assert "4 models on cifar10" in heading([run(str(at), model=f"net{at}") for at in range(4)]).title


def test_no_run_at_all_is_said():
    assert "No run could be read" in heading([]).lead
