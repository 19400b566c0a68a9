"""Every format: what stands in it, what hostile names become, and that programs read the figures back."""

import csv
import html.parser
import io
import json
import re

import pytest

from energytrain.reports.tables.as_latex import escaped as latex
from energytrain.reports.tables.as_markdown import escaped as markdown
from energytrain.reports.tables.people import one_line, shown
from energytrain.reports.tables.sheet import Cell, Column, Row, Sheet
from energytrain.reports.tables.written import FORMATS, notes_apart, written

HOSTILE = "<script>alert('x')</script> [bold]a|b&c_d[/bold] \\input{x} $1$ 50 %\n# two\x1b[31m\u202e \"=\" `q` ~^"


def sheet(name="one", notes=("All is well.",), title="A table"):
    columns = (
        Column("run", "run", False),
        Column("useful_joules", "energy"),
        Column("useful_joules_low", "95 % bounds"),
        Column("useful_joules_high", "to", joins=" to "),
        Column("nobody", "nobody fills this"),
    )
    rows = (
        Row((Cell(one_line(name), name), Cell("12 J", 12.0, {"sd": 1.5, "points": [11.0, 13.0]}), Cell("10 J", 10.0),
             Cell("14 J", 14.0), Cell("")), opens=True),
        Row((Cell("two"), Cell("missing", None, {"reason": "no meter"}), Cell(""), Cell(""), Cell("")), "total", True),
        Row((Cell("many"), Cell("1 J\n2 J", float("inf")), Cell("0 J\n1 J"), Cell("2 J\n3 J"), Cell("")), "published"),
    )  # fmt: skip
    return Sheet("table", title, columns, rows, notes)


def test_joined_columns_are_one_for_people_and_empty_ones_none():
    seen = shown(sheet())
    assert seen.titles == ("run", "energy", "95 % bounds")
    assert [row[2] for row in seen.rows] == ["10 J to 14 J", "", "0 J to 2 J\n1 J to 3 J"]
    assert seen.numeric == (False, True, True)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_every_run_and_figure(format):
    text = written([sheet(), sheet()], format)
    for word in ("one", "two", "missing" if format != "csv" else "no meter"):
        assert text.count(word) >= 2, (format, word)
    assert "12" in text and text.endswith("\n")
    assert ("All is well." in text) == (format != "csv")
    assert notes_apart([sheet()], format) == (["All is well."] if format == "csv" else [])


def test_csv_is_one_rectangle_of_figures_in_base_units():
    rows = list(csv.DictReader(io.StringIO(written([sheet(), sheet(HOSTILE)], "csv"), newline="")))
    assert len(rows) == 6 and {row["table"] for row in rows} == {"table"}
    assert [row["row"] for row in rows[:3]] == ["run", "total", "published"]
    first, missing, infinite = rows[:3]
    assert float(first["useful_joules"]) == 12 and float(first["useful_joules_high"]) == 14
    assert float(first["useful_joules_sd"]) == 1.5 and first["useful_joules_points"] == "11.0 13.0"
    assert missing["useful_joules"] == "" and missing["useful_joules_reason"] == "no meter" and missing["run"] == "two"
    assert infinite["useful_joules"] == ""
    assert rows[3]["run"] == HOSTILE, "a name comes back as it is"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_csv_holds_no_formula(name):
    (row, *_) = csv.DictReader(io.StringIO(written([sheet(name)], "csv"), newline=""))
    assert row["run"] == "'" + name


def test_json_has_texts_and_values_and_is_strict():
    def refuse(value):
        raise AssertionError(value)

    found = json.loads(written([sheet(HOSTILE)], "json"), parse_constant=refuse)
    (table,) = found["tables"]
    assert [column["key"] for column in table["columns"]][:2] == ["run", "useful_joules"]
    first, missing, infinite = (row["cells"] for row in table["rows"])
    assert first["run"]["value"] == HOSTILE
    assert first["useful_joules"] == {"value": 12.0, "text": "12 J", "sd": 1.5, "points": [11.0, 13.0]}
    assert missing["useful_joules"]["value"] is None and infinite["useful_joules"]["value"] is None
    assert table["notes"] == ["All is well."]


class Reader(html.parser.HTMLParser):
    """What a browser would take from the page: tags, attributes, texts of cells."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.cells, self.inside = [], [], [], None

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("td", "figcaption", "li"):
            self.inside = ""

    def handle_data(self, data):
        if self.inside is not None:
            self.inside += data

    def handle_endtag(self, tag):
        if tag in ("td", "figcaption", "li"):
            self.cells.append(self.inside)
            self.inside = None


def test_html_stands_alone_and_holds_names_as_text():
    text = written([sheet(HOSTILE, (HOSTILE,), HOSTILE)], "html")
    reader = Reader()
    reader.feed(text)
    assert "script" not in reader.tags and "link" not in reader.tags and "img" not in reader.tags
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name in ("src", "href")]
    assert sum("<script>alert('x')</script>" in cell for cell in reader.cells) == 3
    assert "\x1b" not in text and "\u202e" not in text
    assert "prefers" in text or "color-scheme: light dark" in text
    assert text.startswith("<!doctype html>") and reader.tags.count("table") == 1 and reader.tags.count("tr") == 4


def test_markdown_shows_hostile_names_as_they_are():
    text = written([sheet(HOSTILE, (HOSTILE,), HOSTILE)], "markdown")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 5 and {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {4}
    assert "<script" not in text and "\x1b" not in text
    assert table[1] == "| --- | ---: | ---: |"
    # Undoing the escapes gives the name again.
    back = re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", markdown(one_line(HOSTILE)))
    assert html.unescape(back) == one_line(HOSTILE)


@pytest.mark.parametrize(
    "text, expected",
    [("- x", "\\- x"), ("1. x", "1\\. x"), ("https://x.org", "https\\://x.org"), ("a\nb", "a<br>b"), ("-5.2", "-5.2")],
)
def test_markdown_begins_no_list_and_no_link(text, expected):
    assert markdown(text) == expected


def test_latex_holds_no_command_of_a_name():
    text = written([sheet(HOSTILE, (HOSTILE,), HOSTILE)], "latex")
    assert "\\input" not in text and "\x1b" not in text and "\\textbackslash{}input\\{x\\}" in text
    body = text.split("\\midrule")[1]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 2 for line in body.splitlines() if line.endswith(r"\\"))
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert not re.findall(r"(?<!\\)[%#_]", "\n".join(text.splitlines()[1:]))
    assert "\\begin{tabular}{@{}lrr@{}}" in text and r"\begin{tabular}[t]{@{}r@{}}" in text


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a--b", "a-{}-b"),
        ("-5.4", "$-$5.4"),
        ("eb-ff", "eb-ff"),
        ("[1, 2]", "{}[1, 2]"),
        ("1 ± 2", "1 $\\pm$ 2"),
        ("\\", "\\textbackslash{}"),
    ],
)
def test_latex_escapes(text, expected):
    assert latex(text) == expected


def test_a_sheet_without_rows_is_written_in_every_format():
    empty = Sheet("none", "Nothing", (Column("run", "run", False),), (), ("The marks are gone.",))
    for format in FORMATS:
        text = written([empty], format)
        assert ("The marks are gone." in text) == (format != "csv")
