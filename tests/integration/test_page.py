"""The status page in Debian's Chromium: what it shows, what it asks for, and that no name of a run gets anywhere but into a text."""

import json
from collections.abc import Iterator

import pytest

from support.browser import Browser, Page, Scene

SCENES = ("empty", "hundred", "many", "hostile")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.end()


@pytest.fixture(scope="module")
def scenes() -> Iterator[dict[str, Scene]]:
    scenes = {name: Scene(name) for name in SCENES}
    yield scenes
    assert [scene.end() for scene in scenes.values()] == [0] * len(scenes)


@pytest.fixture
def pages(browser: Browser) -> Iterator[list[Page]]:
    """Each is held to it at the end: no complaint, and no request to anybody but our own two addresses."""
    opened: list[Page] = []
    yield opened
    for page in opened:
        page.ask("1")  # what has been said meanwhile is read
        assert page.console == []
        assert {url.split("/", 3)[3] for url in page.requests if not url.startswith("about:")} <= {"", "status.json"}
        assert len({url.split("/", 3)[2] for url in page.requests if not url.startswith("about:")}) == 1
        page.close()


def open_page(browser: Browser, pages: list[Page], scene: Scene, width: int = 1280) -> Page:
    page = browser.page(width)
    pages.append(page)
    page.open_status(scene)
    return page


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_fits_any_width(browser: Browser, scenes: dict[str, Scene], pages: list[Page], name: str, width: int) -> None:
    page = open_page(browser, pages, scenes[name], width)
    assert page.ask("document.documentElement.scrollWidth") <= width


def test_empty_says_so(browser: Browser, scenes: dict[str, Scene], pages: list[Page]) -> None:
    page = open_page(browser, pages, scenes["empty"])
    assert page.text("#state") == "working"
    assert "engine reached" in page.text("#facts")
    assert page.text("#waiting") == "Nothing waits."
    assert page.text("#running") == "Nothing runs."
    assert page.text("#troubles") == "None since the start."
    assert page.ask("document.querySelector('#parked-s').hidden")


def test_ten_thousand_are_counted_and_some_are_named(browser: Browser, scenes: dict[str, Scene], pages: list[Page]) -> None:
    page = open_page(browser, pages, scenes["many"])
    assert "8,500" in page.text("#tiles")
    assert page.text("#waiting-h small") == "100 of 8,800 shown"
    assert page.text("#running-h small") == "70 of 1,000 shown"
    assert page.text("#parked-h small") == "30 of 200 shown"
    assert page.ask("document.querySelectorAll('#waiting tbody tr').length") == 100
    status = scenes["many"].get("/status.json")
    assert len(status) <= 200_000
    assert json.loads(status)["runs"]["total"] == 10_000


def test_hostile_names_stay_texts(browser: Browser, scenes: dict[str, Scene], pages: list[Page]) -> None:
    page = open_page(browser, pages, scenes["hostile"])
    assert page.ask("document.title") == "pool · sluice"
    shown = page.ask("[...document.querySelectorAll('#running tbody th')].map((cell) => cell.firstChild.firstChild.textContent)")
    for name in ("<script>document.title='owned'</script>", "\"><img src=x onerror=document.title='owned'>", "invoice\u202efdp.exe",
                 "javascript:document.title='owned'", "NUL\\u0000\x01\x1b[31mred", "\ufffd\ufffd\ufffd", "W" * 100 + "…",
                 "<style>*{display:none}</style>", "a&amp;b&lt;c"):
        assert name in shown, shown
    assert page.ask("document.querySelectorAll('main script, main img, main style, main iframe').length") == 0
    # What turns the direction of writing does so within its own name.
    assert page.ask("[...document.querySelectorAll('#running tbody th')].every((cell) => cell.querySelector('bdi') !== null)")


def test_the_policy_lets_nothing_else_run(browser: Browser, scenes: dict[str, Scene]) -> None:
    """The test of the test above: a script that did get in would not run, and would be complained of."""
    page = browser.page()
    page.open_status(scenes["empty"])
    page.ask("(() => { const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s); })()")
    page.ask("(() => { const i = document.createElement('img'); i.src = 'http://127.0.0.1:9/x'; document.body.append(i); })()")
    page.wait("document.title === 'pool · sluice'")
    page.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert sum("Content Security Policy" in line for line in page.console) == 2, page.console
    page.close()


def test_silence_is_said(browser: Browser, pages: list[Page]) -> None:
    with Scene("empty") as scene:
        page = browser.page()
        page.open_status(scene)
        assert page.ask("document.querySelector('#silence').hidden")
        scene.stop_answering()
        page.wait("!document.querySelector('#silence').hidden")
        assert page.text("#silence").startswith("sluice does not answer (")
        assert page.ask("document.body.classList.contains('stale')")
        page.close()


def test_a_hidden_tab_does_not_ask(browser: Browser, scenes: dict[str, Scene], pages: list[Page]) -> None:
    page = open_page(browser, pages, scenes["empty"])
    # The page's clock is ours from here on: what it would do later is kept, and done when we say so.
    page.ask("""{
        window.later = []; window.asked = 0; window.answered = 0;
        const real = window.fetch;
        window.setTimeout = (what, ms) => later.push({what, ms});
        window.clearTimeout = (id) => { if (later[id - 1]) later[id - 1].what = null; };
        window.fetch = (...a) => { asked++; return real(...a).finally(() => { answered++; }); };
        window.hide = (is) => {
            Object.defineProperty(document, 'hidden', {value: is, configurable: true});
            document.dispatchEvent(new Event('visibilitychange'));
        };
        hide(false);
    }""")
    waits = "later.filter((l) => l.what && l.ms === 2000).length"
    page.wait(f"asked === 1 && {waits} === 1")  # shown, it asks, and will ask again
    page.ask("hide(true)")
    assert page.ask(waits) == 0
    page.ask("hide(false); hide(true)")  # hidden while the answer is on its way
    page.wait("answered === 2 && later.filter((l) => l.what && l.ms === 8000).length === 0")
    assert page.ask(waits) == 0
    page.ask("hide(false)")
    page.wait(f"asked === 3 && {waits} === 1")


def test_tables_can_be_read_aloud(browser: Browser, scenes: dict[str, Scene], pages: list[Page]) -> None:
    page = open_page(browser, pages, scenes["hundred"])
    assert page.ask("[...document.querySelectorAll('table')].every((t) => t.getAttribute('aria-label') && t.querySelector('thead th[scope=col]'))")
    assert page.ask("[...document.querySelectorAll('tbody tr')].every((r) => r.querySelectorAll('th[scope=row]').length === 1)")
    assert page.ask("[...document.querySelectorAll('main section')].every((s) => s.getAttribute('aria-label') || document.getElementById(s.getAttribute('aria-labelledby')))")
    assert page.ask("[...document.querySelectorAll('svg')].every((s) => s.getAttribute('role') === 'img' && s.getAttribute('aria-label'))")
    assert page.ask("document.documentElement.lang") == "en"


def test_without_scripts_there_is_a_way_on(browser: Browser, scenes: dict[str, Scene]) -> None:
    page = browser.page()
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.call("Page.navigate", url=scenes["empty"].url + "/")
    page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert b"/status.json" in scenes["empty"].get("/").split(b"<noscript>")[1].split(b"</noscript>")[0]
    page.close()
