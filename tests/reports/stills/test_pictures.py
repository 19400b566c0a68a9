"""Charts as files: drawn from real figures, the same byte for byte, harmless whatever a run is called."""

import subprocess
import sys
import textwrap
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")

import matplotlib
from matplotlib.colors import to_hex
from reports.charts.making import energy, run
from reports.charts.metered import metered_run

from energytrain.errors import UsageError
from energytrain.reports.charts.chart import Axis, Chart, Heat, Series, Shade
from energytrain.reports.charts.palette import looks
from energytrain.reports.source import read_sources
from energytrain.reports.stills.figure import drawn_with, figure
from energytrain.reports.stills.pictures import write_pictures

HOSTILE = "$\\frac{1$ <script>alert(1)</script> [bold] & _^\n\x00 ]]> --> \u202e$x$"
PNG = b"\x89PNG\r\n\x1a\n"


def drawn(chart):
    """The axes of a chart."""
    with drawn_with():
        return figure(chart, looks([chart])).axes[0]


def words(svg):
    return "".join(ElementTree.fromstring(svg.read_bytes()).itertext())


def test_each_chart_is_a_png_and_an_svg_named_by_its_key(tmp_path):
    sources = [run("one", 90.0, 100.0), run("two", 91.0, 150.0, seed=1)]
    written = write_pictures(sources, tmp_path / "new" / "figures")
    names = {path.name for path in written}
    for key in ("energy-accuracy", "energy-by-phase", "flops-by-phase", "one-kept-by-layer", "two-mask-distance"):
        assert {f"{key}.png", f"{key}.svg"} <= names
    assert len(names) == len(written) and all(path.is_file() for path in written)
    assert all(path.read_bytes()[:8] == PNG for path in written if path.suffix == ".png")
    drawn = words(tmp_path / "new" / "figures" / "energy-accuracy.svg")
    assert "Energy against accuracy" in drawn and "modelled for tx2 (module)" in drawn, "notes stand below"


def test_the_same_runs_give_the_same_svg_in_another_process(tmp_path):
    metered_run(tmp_path)
    code = """
        import sys
        from pathlib import Path
        from energytrain.reports.source import read_sources
        from energytrain.reports.stills.pictures import write_pictures
        write_pictures(read_sources([Path(sys.argv[1])])[0], Path(sys.argv[2]))
        assert "matplotlib.pyplot" not in sys.modules and "torch" not in sys.modules
    """
    for number, seed in enumerate(("1", "2")):
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "error",
                "-c",
                textwrap.dedent(code),
                str(tmp_path / "metered"),
                str(tmp_path / str(number)),
            ],
            env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("0", "1"))
    assert [path.name for path in first] == [path.name for path in second] and len(first) > 10
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(first, second))


def test_any_name_is_harmless(tmp_path):
    sources = [run(HOSTILE, 90.0, 100.0, model=HOSTILE), run("$a$", 91.0, 150.0, dataset=HOSTILE)]
    sources[0].result["ticket"]["widths"] = {HOSTILE: [1, 2], "plain": [2, 3]}
    written = write_pictures(sources, tmp_path)
    for path in (path for path in written if path.suffix == ".svg"):
        root = ElementTree.fromstring(path.read_bytes())
        assert not [node for node in root.iter() if node.tag.endswith("script")], "a name is text and no element"
    kept = next(path for path in written if path.name.endswith("kept-by-layer.svg"))
    assert "$\\frac{1$ <script>alert(1)</script>" in words(kept), "no formula is made of it"


def test_settings_of_the_user_neither_matter_nor_change(tmp_path):
    with matplotlib.rc_context({"text.usetex": True, "font.size": 30, "axes.facecolor": "black"}):
        write_pictures([run("a")], tmp_path / "odd")
        assert matplotlib.rcParams["text.usetex"] and matplotlib.rcParams["font.size"] == 30
    write_pictures([run("a")], tmp_path / "usual")
    for path in (tmp_path / "usual").glob("*.svg"):
        assert path.read_bytes() == (tmp_path / "odd" / path.name).read_bytes()


def test_points_lines_and_their_intervals_are_where_the_chart_says():
    points = Series("runs", "points", [10.0, 1000.0], [1.0, 2.0], [5.0, None], [20.0, 2000.0], family="a")
    steps = Series("front", "steps", [10.0, 1000.0], [1.0, 2.0], dashed=True)
    broken = Series("power", "line", [10, 20, 30, 40], [1.0, None, 3.0, 2.0])
    axes = drawn(Chart("k", "t", Axis("x", log=True), Axis("y"), (points, steps, broken)))
    assert axes.get_xscale() == "log" and axes.get_yscale() == "linear"
    lines = {tuple(line.get_xdata()): line for line in axes.get_lines() if len(line.get_xdata()) > 2}
    assert [str(y) for y in lines[(10, 20, 30, 40)].get_ydata()] == ["1.0", "nan", "3.0", "2.0"]
    assert any(line.get_drawstyle() == "steps-post" and line.get_linestyle() == "--" for line in axes.get_lines())
    segments = [segment for bar in axes.containers for part in bar[2] for segment in part.get_segments()]
    assert {(s[0][0], s[-1][0]) for s in segments} == {(5.0, 20.0), (1000.0, 2000.0)}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["runs", "front", "power"]


def test_bars_stand_on_one_another_and_a_missing_part_takes_no_room():
    names = ("first", "second")
    series = (
        Series("search", "bars", ["first", "second"], [10.0, None]),
        Series("retrain", "bars", ["second", "first"], [7.0, 5.0]),
    )
    axes = drawn(Chart("k", "t", Axis("run", categories=names), Axis("J"), series, stacked=True))
    boxes = {
        (to_hex(p.get_facecolor()), round(p.get_y() + p.get_height() / 2)): (p.get_x(), p.get_width())
        for p in axes.patches
        if p.get_width() > 0
    }
    colours = looks([Chart("k", "t", Axis(""), Axis(""), series)])
    first, second = colours["search"].colour.lower(), colours["retrain"].colour.lower()
    assert boxes == {(first, 0): (0.0, 10.0), (second, 0): (10.0, 5.0), (second, 1): (0.0, 7.0)}
    assert [label.get_text() for label in axes.get_yticklabels()] == list(names)
    top, bottom = axes.get_ylim()[1], axes.get_ylim()[0]
    assert top < 0 < 1 < bottom, "the first run is the topmost"


def test_shades_are_named_and_gaps_hatched():
    shades = (Shade(0, 5, "search"), Shade(5, 9, "retrain"), Shade(6, 7, "no readings", gap=True))
    axes = drawn(Chart("k", "t", Axis("s"), Axis("W"), (Series("p", "line", [0, 9], [1.0, 2.0]),), shades=shades))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["p", "search", "retrain", "no readings"]
    # A span is a rectangle or, before matplotlib 3.9, a polygon: only where it is drawn is the same.
    to_data = axes.transData.inverted()
    begins = {span: to_data.transform(span.get_window_extent().p0)[0] for span in axes.patches}
    assert sorted(begins.values()) == pytest.approx([0, 5, 6], abs=1e-6)
    assert [at for span, at in begins.items() if span.get_hatch()] == pytest.approx([6], abs=1e-6)


def test_a_matrix_keeps_its_values_and_marks_the_drawn_epoch():
    heat = Heat(("1", "2"), ("1", "2", "3"), [[0.0, 0.5, None], [0.5, 0.0, 0.25]], "distance", marked="2", mark="drawn")
    axes = drawn(Chart("k", "t", Axis("epoch"), Axis("epoch"), heat=heat))
    values = axes.images[0].get_array()
    assert values[0].tolist() == [0.0, 0.5, None] or values.mask[0].tolist() == [False, False, True]
    assert values[1].tolist() == [0.5, 0.0, 0.25]
    assert [line.get_xdata()[0] for line in axes.get_lines() if line.get_xdata()[0] == line.get_xdata()[1]] == [1]
    assert axes.get_legend().get_texts()[0].get_text() == "drawn"


def test_labels_of_many_runs_with_long_names_do_not_overlap(tmp_path):
    sources = [run(f"a-rather-long-name-of-a-run-with-all-its-settings-p0.5-s{i}", 80 + i, 90.0 + i) for i in range(40)]
    for source in sources:
        source.result["phases"][0]["energy"] = energy(50.0)
    from energytrain.reports.charts.phase_costs import energy_by_phase

    (chart,) = energy_by_phase(sources)
    with drawn_with():
        made = figure(chart, looks([chart]))
        made.savefig(tmp_path / "x.png")
        labels = [label.get_window_extent() for label in made.axes[0].get_yticklabels()]
        legend = made.axes[0].get_legend().get_window_extent()
        page = made.get_window_extent()
    assert all(upper.y0 >= lower.y1 for upper, lower in zip(labels, labels[1:]))
    assert all(label.x0 >= page.x0 for label in labels) and legend.x1 <= page.x1


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write pictures"):
        write_pictures([run("a")], tmp_path / "file")


def test_without_matplotlib_the_command_that_installs_it_is_told(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("matplotlib", "energytrain.reports.stills.figure"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "energytrain.reports.stills.marks", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'energytrain\[figures\]'"):
        write_pictures([run("a")], tmp_path)


def test_a_real_run_is_drawn_whole(tmp_path):
    (source,), _ = read_sources([metered_run(tmp_path)])
    names = {path.name for path in write_pictures([source], tmp_path / "figures")}
    assert {"metered-power.png", "metered-power-2.png", "metered-energy-by-layer.svg"} <= names
