"""The page as a file: one, small, the same for the same runs, and nothing in it that a run's name could start."""

import base64
import gzip
import hashlib
import re
import sys
from html.parser import HTMLParser

import pytest
from plotly.offline import get_plotlyjs
from reports.page.hostile import NAME

from energytrain.errors import UsageError
from energytrain.reports.page import page as pages
from energytrain.reports.page.page import write_page


class Read(HTMLParser):
    """The tags of a page, and the texts of its scripts that a browser would run."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self._running = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._running = tag == "script" and "type" not in dict(attributes)
        if self._running:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._running = False

    def handle_data(self, data):
        if self._running:
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


def test_it_is_one_file_that_asks_for_no_other(page, text):
    assert page.stat().st_size < 8_000_000 and [one.name for one in page.parent.iterdir()] == ["report.html"]
    tags = Read(text).tags
    reaching = [value for _, found in tags for name, value in found.items() if name in ("src", "href", "action")]
    assert reaching and all(value.startswith(("#", "data:,")) for value in reaching)
    assert not {tag for tag, _ in tags} & {"iframe", "object", "embed", "img", "base", "form"}


def test_only_its_own_two_scripts_may_run(text):
    read = Read(text)
    policy = next(found["content"] for tag, found in read.tags if found.get("http-equiv") == "Content-Security-Policy")
    packed = re.search(r'<script type="application/gzip" id="plotly">([^<]+)</script>', text).group(1)
    (own,) = read.scripts
    scripts = [gzip.decompress(base64.b64decode(packed)), own.encode()]
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes and scripts[0] == get_plotlyjs().encode()
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy
    assert not [name for _, found in read.tags for name in found if name.startswith("on")]


def test_names_are_escaped_wherever_they_stand(text):
    without_scripts = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert NAME not in text and "<script>alert" not in text and "<img src=x" not in text
    assert without_scripts.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 3


def test_the_same_runs_give_the_same_file(sources, page, tmp_path):
    again = tmp_path / "again.html"
    write_page(sources, [], again)
    first = tmp_path / "first.html"
    write_page(sources, [], first)
    assert again.read_bytes() == first.read_bytes()


def test_chosen_runs_have_their_details_and_the_others_are_named(sources, tmp_path):
    chosen = [source for source in sources if source.label == "eb-ff"]
    assert write_page(sources, [], tmp_path / "one.html", chosen) == ["eb-ff"]
    text = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert text.count('<details class="run"') == 1 and 'id="run-1" open' in text
    assert "1 of 4 runs have details of their own; without them: dense, metered" in text


def test_of_many_runs_only_some_have_details(sources, tmp_path, monkeypatch):
    monkeypatch.setattr("energytrain.reports.source.MOST_DETAILED", 2)
    assert write_page(sources, [], tmp_path / "two.html") == [source.label for source in sources[:2]]
    text = (tmp_path / "two.html").read_text(encoding="utf-8")
    assert (
        text.count('<details class="run"') == 2 and " open>" not in text.partition('id="runs"')[2].partition("<h4>")[0]
    )


def test_a_page_without_runs_says_so_and_has_no_empty_tables(sources, tmp_path):
    write_page([], [(tmp_path / "odd", UsageError("it is damaged."))], tmp_path / "none.html")
    text = (tmp_path / "none.html").read_text(encoding="utf-8")
    assert "No run could be read" in text and "it is damaged." in text and "<table" not in text


def test_words_and_methods_are_explained(text):
    words = text[text.index('id="words-title"') :]
    assert "Early-Bird Train, full precision (You et al. 2020" in words
    for word in ("measured", "scope", "FLOPs", "p, prune ratio", "seed", "draw epoch"):
        assert f"<dt>{word}</dt>" in words


def test_a_page_that_would_be_too_large_leaves_out_details_and_says_so(sources, page, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "LIMIT_BYTES", page.stat().st_size - 20_000)
    labels = write_page(sources, [], tmp_path / "less.html")
    text = (tmp_path / "less.html").read_text(encoding="utf-8")
    assert (tmp_path / "less.html").stat().st_size <= pages.LIMIT_BYTES
    shown = text.count('<details class="run"')
    assert 0 < shown < 4 and f"{shown} of 4 runs" in text and len(labels) == shown
    monkeypatch.setattr(pages, "LIMIT_BYTES", 1_000_000)
    with pytest.raises(UsageError, match="Name fewer runs"):
        write_page(sources, [], tmp_path / "none.html")


@pytest.mark.parametrize("package", ["plotly", "jinja2"])
def test_without_its_packages_it_says_how_to_get_them(package, sources, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r"pip install 'energytrain\[figures\]'"):
        write_page(sources, [], tmp_path / "page.html")


def test_a_place_that_cannot_be_written_is_said(sources, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        write_page(sources, [], tmp_path / "file" / "page.html")


def test_where_energies_come_from_stands_above_all_charts(text):
    head = text[: text.index('<figure class="chart')]
    assert "Energy modelled for generic-cpu" in head and "Energy measured on generic-cpu" in head
