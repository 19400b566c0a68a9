"""How the page arranges the columns of a table: what it is about first, what says nothing below it."""

from reports.charts.making import run

from energytrain.reports.page.shown_tables import shown_table
from energytrain.reports.tables.forms import sheets


def table(runs):
    (sheet,) = sheets(runs, "runs")
    return shown_table(sheet, "table-runs", {"a": "run-1"})


def test_energy_stands_beside_accuracy_with_its_bounds_and_provenance():
    shown = table([run("a", 90.0, 100.0), run("b", 91.0, 200.0)])
    titles = [title for title, _ in shown.heads]
    at = titles.index("test acc.")
    assert titles[at : at + 4] == ["test acc.", "useful energy", "95 % bounds", "provenance"]
    _, cells = shown.rows[1]
    assert [cells[at][1], cells[at + 1][1]] == [91.0, 200.0], "each value moves with its column"
    assert cells[at + 1][0] == "200 J" and cells[at + 2][0] == "180 J to 220 J"
    assert shown.rows[0][1][0][2] == "run-1" and len(titles) == len(cells)


def test_what_is_the_same_in_every_row_is_a_note():
    shown = table([run("a"), run("b", dataset="digits")])
    titles = [title for title, _ in shown.heads]
    assert "model" not in titles and "status" not in titles and "data set" in titles
    assert shown.notes[0] == "In every row: model vgg16; status done."
    assert [one["title"] for one in shown.filters] == ["data set"]
    assert titles[shown.filters[0]["column"]] == "data set"


def test_one_run_keeps_all_its_columns():
    assert {"model", "status"} <= {title for title, _ in table([run("a")]).heads}
