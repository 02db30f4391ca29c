"""The page of a report in a real Chromium: figures, requests, keys, phones, screen readers."""

from __future__ import annotations

import shutil
from itertools import pairwise

import pytest
from support.command_line import read
from support.report_figures import check_figures, paths_that_have_to_be_shown

# Chromium does nothing here that it was not asked for.
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium of the system's."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed (apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, reports):
    """Opens the page of a kind of overlay, and gives it with all that it said and asked for."""
    contexts = []

    def open_page(kind: str, width: int = 1200, scheme: str = "light"):
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.heard, page.asked = [], []
        page.on("console", lambda message: page.heard.append(message.text))
        page.on("pageerror", lambda error: page.heard.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((reports / f"{kind}.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_the_page_opens_without_an_error_and_asks_for_nothing(opened, reports, kind):
    page = opened(kind)
    assert page.heard == []
    assert page.asked == [(reports / f"{kind}.html").as_uri()]
    assert page.title().startswith("iris_64_32_32-W1A1 on a")
    assert page.evaluate("[...document.images].length + document.scripts.length") == 0


def test_the_figures_in_the_browser_are_those_of_the_json(opened, reports, kind):
    page, report = opened(kind), read(reports / f"{kind}.json")
    figures = page.evaluate(
        "[...document.querySelectorAll('data')].map(d => [d.value, d.dataset.path, d.innerText])"
    )
    check_figures(figures, report)
    assert paths_that_have_to_be_shown(report) <= {path for _, path, _ in figures}
    bare = page.evaluate(
        """[...document.querySelectorAll('td.n, .key strong')].map(cell => {
            const copy = cell.cloneNode(true);
            copy.querySelectorAll('data').forEach(figure => figure.remove());
            return copy.textContent;
        }).filter(text => /[0-9]/.test(text))"""
    )
    assert bare == [], "numbers that are not from the JSON"


def test_bars_are_as_long_as_what_they_show(opened, reports):
    page, report = opened("dataflow"), read(reports / "dataflow.json")
    shares = page.evaluate(
        """[...document.querySelectorAll('.bar > span')].map(
            bar => parseFloat(bar.style.width) / 100)"""
    )
    parts = [part["luts"] for part in report["resources"]["by_part"]]
    expected = [bar["share"] for bar in report["resources"]["bars"]]
    expected += [luts / max(parts) for luts in parts]
    assert shares == pytest.approx(expected, abs=1e-5)


def test_the_bars_of_the_timeline_lie_where_the_json_says(opened, reports):
    page, report = opened("dataflow"), read(reports / "dataflow.json")
    drawn = page.evaluate(
        """[...document.querySelectorAll('svg.time')].map(svg => {
            const all = svg.querySelector('.steady').getBoundingClientRect();
            const left = svg.querySelector('line').getBoundingClientRect().left;
            return [...svg.querySelectorAll('rect.frame')].map(bar => {
                const box = bar.getBoundingClientRect();
                return [(box.left - left) / (all.right - left), (box.right - left)
                    / (all.right - left)];
            });
        })"""
    )
    timeline = report["timeline"]
    frames, interval = timeline["frames"], timeline["interval"]
    end = timeline["latency"] + (frames - 1) * interval + 1
    expected = [
        [(row["first"] + f * interval) / end, (row["last"] + 1 + f * interval) / end]
        for row in timeline["rows"]
        for f in range(frames)
    ]
    assert [len(bars) for bars in drawn] == [len(expected)]
    for bar, place in zip(drawn[0], expected):
        assert bar == pytest.approx(place, abs=0.003)  # of the width: a stroke of one pixel


def test_keys_reach_every_link_in_order_and_focus_is_seen(opened):
    page = opened("dataflow")
    reached = []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """(() => { const it = document.activeElement, style = getComputedStyle(it);
                return [it.hash, style.outlineStyle, parseFloat(style.outlineWidth),
                    it.getBoundingClientRect().left >= 0]; })()"""
            )
        )
    sections = ("exactness", "network", "timeline", "resources", "accuracy", "reproduce")
    assert [place for place, *_ in reached] == ["#content", *(f"#{name}" for name in sections)]
    for place, style, width, on_page in reached:
        assert style == "solid" and width >= 2 and on_page, place
    page.keyboard.press("Enter")
    assert page.url.endswith("#reproduce")


def test_the_skip_link_leads_past_the_contents(opened):
    page = opened("dataflow")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_a_phone(opened, kind, width):
    page = opened(kind, width)
    over = page.evaluate(
        """[...document.querySelectorAll('main *, header *')].filter(it => !it.closest('svg'))
        .filter(it => it.getBoundingClientRect().right > innerWidth + 0.5)
        .map(it => it.outerHTML.slice(0, 80))"""
    )
    assert over == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_shuts_somebody_out(opened, kind, scheme):
    from axe_playwright_python.sync_playwright import Axe

    for width in (1200, 360):
        found = Axe().run(opened(kind, width, scheme), options={"resultTypes": ["violations"]})
        assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in found.response["violations"]] == []
        assert len(found.response["passes"]) > 20


def test_a_screen_reader_finds_landmarks_headings_tables_and_pictures(opened, kind):
    page = opened(kind)
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1, landmark
    assert page.get_by_role("region").count() == 6
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    for table in page.get_by_role("table").all():
        assert table.locator("caption").inner_text().strip()
        assert table.locator("th:not([scope])").count() == 0
    named = page.evaluate(
        """[...document.querySelectorAll('svg[role=img]')].map(svg =>
            svg.getAttribute('aria-label') || svg.getAttribute('aria-labelledby').split(' ')
            .map(id => document.getElementById(id).textContent).join(' '))"""
    )
    assert len(named) >= 5 and all(len(name) > 20 for name in named)


def test_the_page_follows_the_colour_scheme(opened):
    colours = {
        scheme: opened("dataflow", scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)"
        )
        for scheme in ("light", "dark")
    }
    assert min(colours["light"][:3]) > 200 and max(colours["dark"][:3]) < 60


def test_a_screenshot_shows_the_page(opened, cache, kind):
    shots = cache / "report"
    shots.mkdir(parents=True, exist_ok=True)
    for name, width, scheme in (("desk", 1200, "light"), ("phone", 360, "dark")):
        file = shots / f"{kind}-{name}.png"
        opened(kind, width, scheme).screenshot(path=file, full_page=True)
        assert file.stat().st_size > 50_000
