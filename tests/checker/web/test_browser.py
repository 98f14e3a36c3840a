"""The pages in a real browser: a fall is seen without reloading, a phone is enough, and so is no script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from checker.model import Cause, Incident, Kind, Member, MonitorSpec, MonitorState, Ping, PingKind, State
from checker.store import Store, door, incidents, monitors
from tests.checker.web.browser import Tab, chromium, tab
from tests.checker.web.served import served
from tests.checker.web.site import ADMIN, NOW, Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LONG = "a-very-long-name-without-any-place-to-break-" * 4
# Counts how often the page asked whether something is marked: then it would have refreshed.
COUNTED = """
(() => {
  window.asked = 0;
  const asks = document.getSelection.bind(document);
  document.getSelection = () => { window.asked += 1; return asks(); };
})()
"""
HURRIED = """
(() => {
  const wait = window.setTimeout;
  window.setTimeout = (what, time, ...rest) => wait(what, time / 20, ...rest);
})()
"""
CONTRAST = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * (top[3] ?? 1) + under[i] * (1 - (top[3] ?? 1)));
  const behind = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const found = getComputedStyle(each).backgroundColor;
      if (!found.startsWith("rgb")) return null;
      layers.push(parse(found));
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const bad = [];
  const words = "h1, h2, h3, p, a, td, th, dt, dd, button, .pill, .sub, .lead, label";
  for (const each of document.querySelectorAll(words)) {
    if (!each.innerText.trim() || each.className === "skip") continue;
    const under = behind(each);
    if (!under) continue;
    const [one, two] = [light(parse(getComputedStyle(each).color)), light(under)];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) bad.push([each.tagName, each.className, each.innerText.slice(0, 30), ratio.toFixed(2)]);
  }
  return bad;
})()
"""


@dataclass(frozen=True)
class Shown:
    """A site that is served, and a browser."""

    site: Site
    url: str
    devtools: str

    def visit(self, walk: Callable[[Tab], Awaitable[None]]) -> None:
        """Walk through the pages in a new window; its console must stay silent."""

        async def main() -> None:
            async with tab(self.devtools) as page:
                await walk(page)
                assert page.errors == []

        asyncio.run(main())

    def put(self, name: str, state: State, **rest: Any) -> None:
        """Let a monitor stand so."""
        number = self.site.id(name)
        value = MonitorState(state=state, since=NOW - 720, **rest)
        self.site.store.write_now(lambda conn: door.save_states(conn, {number: value}))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder)
    job = site.id("Nightly invoices")
    site.record(
        (job, Ping(PingKind.START, NOW - 90)), (job, Ping(PingKind.SUCCESS, NOW, body=b"42 sent " * 90))
    )
    with chromium(tmp_path_factory.mktemp("chromium")) as devtools, served(site.app) as url:
        yield Shown(site, url, devtools)
    site.close()


@pytest.fixture
def well(shown: Shown) -> Shown:
    """Everything works."""
    shown.put("shop", State.UP, latency=0.02, last_seen=NOW - 3)
    return shown


def test_a_fall_and_its_recovery_are_shown_without_reloading(well: Shown) -> None:
    async def walk(page: Tab) -> None:
        await page.send("Page.addScriptToEvaluateOnNewDocument", source=HURRIED)
        await page.goto(well.url)
        await page.ask("window.mark = 'the same page'")
        assert await page.ask("document.querySelector('h1').innerText") == "All 2 are working"
        well.put("shop", State.DOWN, reason="HTTP 503 <b>", cause=Cause.HTTP)
        await page.until("document.querySelector('h1').innerText === '1 thing is down'")
        assert "HTTP 503 <b>" in await page.ask("document.querySelector('.trouble').innerText")
        assert "down" in await page.ask("document.title")
        well.put("shop", State.UP)
        await page.until("document.querySelector('h1').innerText === 'All 2 are working'")
        assert await page.ask("window.mark") == "the same page"

    well.visit(walk)


def test_refreshing_takes_neither_the_focus_nor_what_is_marked(well: Shown) -> None:
    async def walk(page: Tab) -> None:
        await page.send("Page.addScriptToEvaluateOnNewDocument", source=HURRIED)
        await page.goto(well.url)
        await page.ask("document.querySelector('#availability ~ .card a').focus()")
        well.put("shop", State.DOWN, reason="HTTP 503")
        await page.until("document.querySelector('h1').innerText === '1 thing is down'")
        assert await page.ask("document.activeElement.innerText") == "shop"
        assert await page.ask("document.querySelector('#told').textContent") == "1 thing is down"
        await page.ask("document.activeElement.blur()")
        await page.ask("getSelection().selectAllChildren(document.querySelector('.trouble .reason'))")
        await page.ask(COUNTED)
        well.put("shop", State.UP)
        await page.until("window.asked >= 2")
        assert await page.ask("getSelection().toString().trim()") == "HTTP 503"
        await page.ask("getSelection().removeAllRanges()")
        await page.until("document.querySelector('h1').innerText === 'All 2 are working'")

    well.visit(walk)


def test_buttons_work_without_javascript(well: Shown) -> None:
    async def walk(page: Tab) -> None:
        await page.send("Emulation.setScriptExecutionDisabled", value=True)
        await page.goto(f"{well.url}/monitors/shop")
        await page.click("footer a[href^='/login']")
        await page.ask(f"document.querySelector('#token').value = '{ADMIN}'")
        await page.click("form.sign-in button")
        await page.until("location.pathname === '/monitors/shop'")
        await page.click("button[value=pause]")
        await page.until("document.querySelector('.verdict').innerText.includes(', paused')")
        await page.click("button[value=resume]")
        await page.until("document.querySelector('button[value=pause]') !== null")
        await page.click("button[value=snooze]")
        await page.until("document.querySelector('.verdict').innerText.includes('snoozed until')")
        await page.click("button[value=unsnooze]")
        await page.until("!document.querySelector('.verdict').innerText.includes('snoozed')")
        await page.click(".signing button")
        await page.until("document.querySelector('.actions') === null")

    well.visit(walk)


@pytest.fixture
def crowded(shown: Shown) -> Iterator[Shown]:
    """Names and reasons that are long, one thing down and one incident open."""
    specs = [MonitorSpec(Kind.HEARTBEAT, LONG, slug="long"), *shown.site.config.monitors]
    store: Store = shown.site.store
    store.write_now(lambda conn: monitors.sync(conn, specs, NOW - 7200))
    asyncio.run(shown.site.registry.reload())
    shown.put(LONG, State.DOWN, reason="x" * 300, cause=Cause.MISSED)
    shown.put("shop", State.WARN, reason="slow")
    member = Member(shown.site.id(LONG), LONG, State.DOWN, "x" * 300, Cause.MISSED, NOW - 720)
    found = Incident(0, LONG, "long", f"{LONG} is down", "y" * 200, NOW - 720, members=(member,))
    number = store.write_now(lambda conn: incidents.save(conn, found, NOW))
    yield shown
    over = Incident(number, LONG, "long", "over", "", NOW - 720, resolved_at=NOW, members=(member,))
    store.write_now(lambda conn: incidents.save(conn, over, NOW))
    store.write_now(lambda conn: monitors.sync(conn, shown.site.config.monitors, NOW))
    asyncio.run(shown.site.registry.reload())


def test_every_page_fits_a_phone_and_is_readable_by_day_and_by_night(crowded: Shown) -> None:
    paths = (
        "/",
        "/monitors/Nightly%20invoices",
        f"/monitors/{LONG}",
        "/incidents",
        "/incidents/1",
        "/status",
        "/docs",
    )

    async def walk(page: Tab) -> None:
        await page.send(
            "Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True
        )
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            await page.send("Emulation.setEmulatedMedia", features=[feature])
            for path in (*paths, "/login"):
                await page.goto(crowded.url + path)
                assert await page.ask("document.documentElement.scrollWidth") <= 360, path
                assert await page.ask(CONTRAST) == [], (scheme, path)
                assert await page.ask("document.querySelectorAll('h1').length") == 1, path

    crowded.visit(walk)
