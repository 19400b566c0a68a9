"""A page of real runs, written once, and a real Chromium to open it."""

import os
import shutil

import pytest
from reports.page.hostile import sources_in

from energytrain.errors import UsageError
from energytrain.reports.page.page import write_page


@pytest.fixture(scope="package")
def sources(tmp_path_factory):
    return sources_in(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="package")
def page(sources, tmp_path_factory):
    """The path of the page of `sources`, and of a folder that is no run."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(
        sources, [(sources[0].path.parent / "<i>odd", UsageError("it is <b>damaged</b>.", "Copy it again."))], path
    )
    return path


@pytest.fixture(scope="package")
def chromium():
    """A running browser; without one these tests are passed over, but not on a machine that tests changes."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        assert not os.environ.get("CI"), "there is no Chromium: .ci/run installs it"
        pytest.skip("there is no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
