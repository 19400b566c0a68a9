"""The page as people meet it: in a real Chromium."""

import contextlib
import csv
import json
import math

import pytest
from reports.page.hostile import NAME, NOTE

from energytrain.reports.charts.catalog import details, overview

pytestmark = pytest.mark.slow

# Draws every chart, wherever it stands, and gives what plotly has of it.
DRAWN = """
() => {
  document.querySelectorAll("details").forEach((one) => (one.open = true));
  window.dispatchEvent(new Event("beforeprint"));
  const charts = [...document.querySelectorAll("figure.chart")].map((figure) => {
    const plot = figure.querySelector(".plot");
    const traces = plot.data.map(({ x, y, z, meta, error_x, error_y, hovertext, name }) =>
      ({ x, y, z, meta, error_x, error_y, hovertext, name }));
    const points = plot.querySelectorAll(".point, .js-line, .hm").length;
    return { id: figure.id, key: figure.dataset.key, traces, points };
  });
  window.dispatchEvent(new Event("afterprint"));
  return charts;
}
"""


@contextlib.contextmanager
def opened(chromium, path, width=1280, **options):
    """The page in a window of its own, which must neither complain nor ask for anything but the file."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, accept_downloads=True, **options)
    window = context.new_page()
    said, asked = [], []
    window.on("console", lambda message: said.append(message.text))
    window.on("pageerror", lambda error: said.append(str(error)))
    window.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    window.on("request", lambda request: asked.append(request.url))
    window.goto(path.as_uri())
    yield window
    window.wait_for_timeout(200)
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file://", "blob:", "data:"))] == []


@pytest.fixture(scope="module")
def drawn(chromium, page):
    with opened(chromium, page) as window:
        window.wait_for_selector("#chart-1 .main-svg")
        return {chart["id"]: chart for chart in window.evaluate(DRAWN)}


def charts_of(sources):
    """Every chart that the page must hold, by its id there."""
    found = {f"chart-{at}": chart for at, chart in enumerate(overview(sources), 1)}
    for number, source in enumerate(sources, 1):
        found.update({f"run-{number}-chart-{at}": chart for at, chart in enumerate(details(source), 1)})
    return found


def same(seen, true):
    if true is None or seen is None:
        return seen is None and (true is None or not math.isfinite(true))
    return (
        seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == true
        if isinstance(true, str)
        else (math.isclose(seen, true, rel_tol=1e-9, abs_tol=1e-12))
    )


def test_every_chart_s_points_are_those_of_the_runs(drawn, sources):
    expected = charts_of(sources)
    assert list(drawn) == list(expected) and len(expected) > 12
    for id, chart in expected.items():
        seen = drawn[id]
        assert seen["key"] == chart.key and seen["points"] > 0, id
        by_series = {t["meta"]["series"]: t for t in seen["traces"] if t.get("meta") and "series" in t["meta"]}
        assert sorted(by_series) == list(range(len(chart.series))), id
        for number, series in enumerate(chart.series):
            trace = by_series[number]
            for axis in "xy":
                true, shown = list(getattr(series, axis)), trace[axis]
                assert len(shown) == len(true) and all(map(same, shown, true)), (id, series.name, axis)
        if chart.heat is not None:
            (heat,) = [t for t in seen["traces"] if t.get("z")]
            assert heat["x"] == list(chart.heat.columns) and heat["y"] == list(chart.heat.rows)
            assert all(same(a, b) for shown, true in zip(heat["z"], chart.heat.values) for a, b in zip(shown, true))


def test_intervals_end_where_the_runs_say(drawn, sources):
    compared = 0
    for id, chart in charts_of(sources).items():
        for number, series in enumerate(chart.series):
            if series.x_low is None or series.kind != "points":
                continue
            (trace,) = [t for t in drawn[id]["traces"] if t.get("meta") == {"series": number}]
            for at, x in enumerate(series.x):
                assert x - trace["error_x"]["arrayminus"][at] == pytest.approx(series.x_low[at])
                assert x + trace["error_x"]["array"][at] == pytest.approx(series.x_high[at])
                compared += 1
    assert compared >= 3


def test_it_opens_on_energy_against_accuracy_and_draws_only_what_is_seen(chromium, page):
    with opened(chromium, page) as window:
        window.wait_for_selector("#chart-1 .main-svg")
        assert window.get_attribute("figure.chart >> nth=0", "data-key") == "energy-accuracy"
        assert window.evaluate("document.querySelectorAll('#runs .main-svg').length") == 0
        window.evaluate("location.hash = 'run-2'")
        window.wait_for_selector("#run-2 .main-svg")
        assert window.evaluate("document.getElementById('run-2').open")


def column(window, name, table="#table-runs"):
    """The texts of a column, from top to bottom, of the rows that are shown."""
    at = [h.strip() for h in window.locator(f"{table} thead button").all_inner_texts()].index(name)
    rows = window.locator(f"{table} tbody tr:not([hidden])")
    return [rows.nth(row).locator("th, td").nth(at).inner_text() for row in range(rows.count())]


def test_tables_sort_by_value_with_the_missing_last(chromium, page, sources):
    accuracies = {s.label: s.result["accuracy"]["test"] for s in sources}
    assert None not in accuracies.values() and len(set(accuracies.values())) > 1
    parameters = [s.result["network"]["after"]["parameters"] for s in sources]
    written = {f"{value:,}" for value in parameters}
    with opened(chromium, page) as window:
        before = column(window, "run")
        head = window.locator("#table-runs thead th", has_text="parameters")
        head.locator("button").focus()
        window.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        assert column(window, "parameters") == [f"{value:,}" for value in sorted(parameters)]
        window.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        assert column(window, "parameters") == [f"{value:,}" for value in sorted(parameters, reverse=True)]
        window.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "none" and column(window, "run") == before
        assert set(column(window, "parameters")) == written
        # Only eb-ff has a draw epoch: dense runs stay below in either direction.
        drawn_epoch = window.locator("#table-runs thead th", has_text="draw epoch").locator("button")
        for _ in range(2):
            drawn_epoch.click()
            assert column(window, "draw epoch")[-1] == "" and column(window, "draw epoch")[0] != ""


def test_tables_filter_by_word_and_by_method(chromium, page, sources):
    with opened(chromium, page) as window:
        assert len(column(window, "run")) == len(sources)
        window.fill("#table-runs input", "DENSE")
        assert column(window, "run") == ["dense"]
        assert window.inner_text("#table-runs .count") == f"1 of {len(sources)} rows"
        window.fill("#table-runs input", "")
        window.select_option("#table-runs select >> nth=0", "eb-ff")
        assert set(column(window, "method")) == {"eb-ff"} and len(column(window, "run")) == len(sources) - 1
        window.fill("#table-runs input", "no such word")
        assert column(window, "run") == []


def test_the_theme_follows_the_system_and_the_button(chromium, page):
    ground = "getComputedStyle(document.body).backgroundColor"
    with opened(chromium, page, color_scheme="light") as window:
        window.wait_for_selector("#chart-1 .main-svg")
        light, paper = window.evaluate(ground), "document.querySelector('.plot')._fullLayout.paper_bgcolor"
        assert window.evaluate(paper) == "#ffffff"
        window.click("#theme")
        dark = window.evaluate(ground)
        assert dark != light and window.evaluate(paper) == "#181c23"
        window.reload()
        assert window.evaluate(ground) == dark, "the choice is kept"
        window.click("#theme")
        assert window.evaluate(ground) == light
    with opened(chromium, page, color_scheme="dark") as window:
        assert window.evaluate(ground) == dark


def test_the_theme_can_be_switched_where_nothing_can_be_stored(chromium, page):
    with opened(chromium, page, color_scheme="light") as window:
        window.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied'); }})")
        window.reload()
        window.click("#theme")
        assert window.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_name_that_is_a_script_is_shown_letter_for_letter(chromium, page):
    with opened(chromium, page) as window:
        assert NAME in column(window, "run")
        window.evaluate("location.hash = 'run-4'")
        window.wait_for_selector("#run-4 .main-svg")
        assert NAME in window.inner_text("#run-4 summary h3") and NOTE in window.inner_text("#run-4")
        labels = window.evaluate("[...document.querySelectorAll('.plot text')].map((one) => one.textContent)")
        assert any("<script>" in label for label in labels), "an axis has the name of every run"
        assert window.evaluate("document.querySelectorAll('img, main script:not([type]), .plot a[href]').length") == 0
        window.hover("#chart-2 .point >> nth=0", force=True)


def test_a_legend_s_entry_switches_its_series(chromium, page):
    with opened(chromium, page) as window:
        entry = window.locator("#chart-1 .legend button").first
        entry.click()
        assert entry.get_attribute("aria-pressed") == "false"
        visible = "document.querySelector('#chart-1 .plot').data.map((trace) => trace.visible)"
        assert window.evaluate(visible).count(False) == 1
        entry.click()
        assert window.evaluate(visible).count(False) == 0


def test_the_data_of_a_chart_stand_as_a_table_and_are_saved(chromium, page, sources, tmp_path):
    chart = overview(sources)[0]
    points = [(s.name, x, y) for s in chart.series for x, y in zip(s.x, s.y)]
    with opened(chromium, page) as window:
        window.click("#chart-1 .data summary")
        rows = window.locator("#chart-1 .data tbody tr")
        rows.first.wait_for()
        assert rows.count() == len(points)
        with window.expect_download() as saved:
            window.click("#chart-1 .data button")
        saved.value.save_as(tmp_path / "chart.csv")
    with open(tmp_path / "chart.csv", newline="", encoding="utf-8") as file:
        head, *lines = csv.reader(file)
    assert head == ["series", chart.x.title, chart.y.title, "low", "high"]
    found = sorted((name, float(x), float(y)) for name, x, y, *_ in lines)
    assert [name for name, *_ in found] == sorted(name for name, *_ in points)
    assert [y for *_, y in found] == pytest.approx([y for *_, y in sorted(points)])


def test_on_paper_all_is_open_and_light_and_on_the_screen_as_before(chromium, page, tmp_path):
    with opened(chromium, page, color_scheme="dark") as window:
        window.wait_for_selector("#chart-1 .main-svg")
        shown = window.evaluate("document.querySelectorAll('.main-svg').length")
        window.evaluate(
            """window.addEventListener("beforeprint", () => {
                window.seen = [
                    document.querySelectorAll("details.run:not([open])").length,
                    [...document.querySelectorAll(".plot")].filter((plot) => !plot.data).length,
                    getComputedStyle(document.body).color,
                    Math.max(...[...document.querySelectorAll(".plot")].map((plot) => plot._fullLayout.width)),
                ];
            })"""
        )
        printed = window.pdf(path=tmp_path / "report.pdf", format="A4")
        folded, undrawn, ink, widest = window.evaluate("window.seen")
        assert len(printed) > 50_000 and (folded, undrawn) == (0, 0) and shown > 0
        assert ink == "rgb(27, 35, 48)" and widest <= 680
        assert window.evaluate("document.querySelectorAll('details.run[open]').length") == 0
        assert window.evaluate("document.documentElement.dataset.theme") is None
        assert window.evaluate("document.querySelector('#chart-1 .plot')._fullLayout.width") > 700


def test_the_keyboard_reaches_the_content_and_every_control(chromium, page):
    with opened(chromium, page) as window:
        window.keyboard.press("Tab")
        assert window.evaluate("document.activeElement.className") == "skip"
        assert window.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, (
            "it shows when it has the focus"
        )
        window.keyboard.press("Enter")
        assert window.evaluate("document.activeElement.id") == "main"
        unnamed = """[...document.querySelectorAll("button, input, select, a, [role=img], [role=region]")]
            .filter((one) => !one.textContent.trim() && !one.labels?.length && !one.getAttribute("aria-label")
            && !one.closest(".modebar")).length"""
        assert window.evaluate(unnamed) == 0


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(chromium, page, width, theme, tmp_path):
    with opened(chromium, page, width=width, color_scheme=theme, has_touch=width < 500) as window:
        window.evaluate("document.querySelectorAll('details.run').forEach((run) => (run.open = true))")
        for top in range(0, window.evaluate("document.documentElement.scrollHeight"), 700):
            window.evaluate("top => window.scrollTo({top, behavior: 'instant'})", top)
            window.wait_for_timeout(30)
        assert window.evaluate("document.documentElement.scrollWidth") == width
        over = """() => [...document.querySelectorAll(".plot .main-svg")].filter((svg) =>
            svg.getBoundingClientRect().right > document.documentElement.clientWidth).length"""
        assert window.evaluate(over) == 0
        window.evaluate("window.scrollTo({top: 0, behavior: 'instant'})")
        picture = window.screenshot(path=tmp_path / f"{width}-{theme}.png", full_page=True)
        assert picture.startswith(b"\x89PNG") and len(picture) > 50_000


def test_without_scripts_the_tables_stand_and_it_is_said(chromium, page):
    with opened(chromium, page, java_script_enabled=False) as window:
        assert "switched off" in window.inner_text("main")
        assert "eb-ff" in window.inner_text("#table-runs")


def test_skipped_folders_are_named(chromium, page):
    with opened(chromium, page) as window:
        assert "1 folder was skipped" in window.inner_text("main")
        assert "<i>odd: it is <b>damaged</b>. Copy it again." in window.inner_text("#skipped")


def test_the_chart_s_json_is_whole(page):
    """What stands in the file is JSON that other programs can read as well."""
    text = page.read_text(encoding="utf-8")
    parts = text.split('<script type="application/json">')[1:]
    assert len(parts) > 12
    for part in parts:
        assert {"data", "layout", "legend", "names"} <= set(json.loads(part.partition("</script>")[0]))
