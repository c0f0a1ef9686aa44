"""The report as its readers have it: on a phone and on a desk, light and dark, on paper."""

import base64
from pathlib import Path

import pytest
import yaml
from async_run import async_run
from browser import HAS_BROWSER, Page
from small_studies import SCENARIO, UP, small_study

from cutlayer import load_scenario, run
from cutlayer.sim.report.report import write_report
from cutlayer.sim.studies.sweep import sweep
from cutlayer.sim.uncertainty.run import add_draws

pytestmark = [HAS_BROWSER, pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a run, trained, and of a study with every kind of decision."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "tiny.yaml").write_text(SCENARIO, encoding="utf-8")
    loaded = load_scenario(folder / "tiny.yaml", ["uncertainty.draws=20"])
    add_draws(loaded, run(loaded, out=folder / "run"), jobs=1)
    axes = [
        {"name": "cut", "field": "model.cut", "values": [1, 2]},
        {"name": "up", "field": UP, "values": ["1 Mbit/s", "90 Mbit/s"]},
    ]
    base = yaml.safe_load(SCENARIO)
    base["methods"] = ["classic_fl", "local_loss"]
    study = small_study(
        folder,
        yaml.safe_dump(base),
        axes=axes,
        crossovers={"axis": "up"},
        best={"axis": "cut"},
        sensitivity={"by": "time"},
        uncertainty={"draws": 20},
    )
    sweep(study, out=folder / "study")
    write_report([folder / "run", folder / "study"], folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize(("width", "dark"), [(375, True), (1440, False)])
def test_everything_opens_and_nothing_is_fetched(report: Path, width: int, dark: bool) -> None:
    with Page(report, width, dark=dark) as page:
        tabs = page.browser.find_elements("css selector", "[role=tab]")
        assert [tab.text for tab in tabs] == [
            *("Results", "Accuracy", "Why", "Timeline", "Links and devices"),
            *("Uncertainty", "Assumptions", "Provenance"),
            *("Results", "Accuracy", "Heat maps", "Pareto", "Sensitivity"),
            *("Uncertainty", "Points", "Assumptions", "Provenance"),
        ]
        for tab in tabs:
            page.run("arguments[0].scrollIntoView()", tab)
            tab.click()
            panel = page.browser.find_element("id", tab.get_attribute("aria-controls") or "")
            assert panel.is_displayed()
            for chart in panel.find_elements("css selector", ".chart"):
                page.wait("return arguments[0].dataset.drawn === 'yes'", chart)
                assert chart.find_elements("css selector", ".main-svg")
            for select in panel.find_elements("css selector", "select"):
                choices = select.find_elements("css selector", "option")
                choices[-1].click()
        assert page.run("return document.documentElement.scrollWidth") <= width
        theme = page.run("return document.documentElement.dataset.theme")
        assert theme == ("dark" if dark else "light")
        ground = page.run("return getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") is not dark
        assert page.outside() == []
        assert page.complaints() == []


def test_a_click_hides_a_method_and_a_button_the_light(report: Path) -> None:
    with Page(report, 1440) as page:
        page.run("document.getElementById('s0t1-tab').click()")
        place = page.run("return document.querySelector('#s0t1 .chart').id")
        shown = "return document.getElementById(arguments[0])._fullData.map((d) => d.visible)"
        assert page.run(shown, place) == [True, True]
        toggle = page.browser.find_element("css selector", f"#{place} .legendtoggle")
        page.run(
            "for (const kind of ['mousedown', 'mouseup'])"
            " arguments[0].dispatchEvent(new MouseEvent(kind, {bubbles: true}))",
            toggle,
        )
        # A moment passes first, in which a second click would make it a double click.
        hidden = shown.replace("return", "return 'legendonly,true' === String(") + ")"
        page.wait(hidden, place)
        assert page.run(shown, place) == ["legendonly", True]
        page.browser.find_element("id", "theme").click()
        assert page.run("return document.documentElement.dataset.theme") == "dark"
        assert page.complaints() == []


def test_hovering_and_clicking_tell_and_dragging_zooms(report: Path) -> None:
    from selenium.webdriver import ActionChains

    with Page(report, 1440) as page:
        page.run("document.getElementById('s0t3-tab').click()")
        place = page.browser.find_element("css selector", "#s0t3 .chart")
        area = place.find_element("css selector", ".nsewdrag")
        bars = place.find_elements("css selector", ".bars .point path")
        widest = max(bars, key=lambda bar: bar.rect["width"])
        ActionChains(page.browser).move_to_element(widest).perform()
        told = "return arguments[0].querySelector('.hoverlayer').textContent"
        page.wait(f"{told}.includes('raspberry-pi-4b-')", place)
        details = page.browser.find_element("css selector", "#s0t3 pre")
        assert not details.is_displayed()
        ActionChains(page.browser).click(widest).perform()
        page.wait("return !arguments[0].hidden", details)
        assert "raspberry-pi-4b-" in details.text
        assert details.text.endswith("on the critical path")
        scale = "return arguments[0]._fullLayout.xaxis.range.slice()"
        before = page.run(scale, place)
        actions = ActionChains(page.browser).move_to_element(area).click_and_hold()
        actions.move_by_offset(150, 60).pause(0.2).release().perform()
        page.wait(f"{scale}.join() !== arguments[1].join()", place, before)
        after = page.run(scale, place)
        assert after[1] - after[0] < 0.6 * (before[1] - before[0])
        assert page.complaints() == []


def test_on_paper_every_tab_is_there(report: Path) -> None:
    with Page(report, 1440, dark=True) as page:
        printed = page.browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
        content = base64.b64decode(printed["data"])
        assert content.startswith(b"%PDF")
        assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") >= 6
        assert page.run("return document.documentElement.dataset.theme") == "dark"
        assert page.complaints() == []


def test_the_scenario_is_copied(report: Path) -> None:
    with Page(report, 1440) as page:
        allowed = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        page.browser.execute_cdp_cmd("Browser.grantPermissions", allowed)
        page.run("document.getElementById('s0t6-tab').click()")
        button = page.browser.find_element("css selector", "#s0t6 [data-copy]")
        button.click()
        page.wait("return arguments[0].textContent === 'Copied'", button)
        shown = page.run("return document.querySelector('#s0t6 pre').textContent")
        assert shown.startswith("name: tiny")
        assert page.run("return navigator.clipboard.readText()") == shown


def test_heading_and_note_are_those_of_the_chart_that_is_chosen(tmp_path: Path) -> None:
    """Of a run with rounds and windows: the timeline of a window has another heading and note."""
    async_run(tmp_path / "run", "methods=[classic_fl, fedasync]")
    write_report([tmp_path / "run"], tmp_path / "report.html")
    with Page(tmp_path / "report.html", 1000) as page:
        (tab,) = page.browser.find_elements("xpath", "//*[@role='tab'][text()='Timeline']")
        tab.click()
        panel = page.browser.find_element("id", tab.get_attribute("aria-controls") or "")
        heading = panel.find_element("css selector", "h2")
        assert heading.text == "Timeline of a round"
        (choice,) = panel.find_elements("xpath", ".//option[starts-with(., 'fedasync, window 0')]")
        choice.click()
        assert heading.text == "Timeline of a window"
        assert "Dotted lines: folds" in panel.find_element("css selector", ".note").text
        assert page.complaints() == []
