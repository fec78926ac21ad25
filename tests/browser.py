"""A real Chromium for the tests of pages; Debian's, which .ci/run installs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium_page(width: int = 1280, height: int = 900, **context_options) -> Iterator:
    """Gives a playwright Page; at the end, it must have met no script error.

    Args:
        width: of the window, CSS pixels.
        height: likewise.
        context_options: of playwright's Browser.new_context, such as offline=True.
    """
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            context_options["viewport"] = {"width": width, "height": height}
            page = browser.new_context(**context_options).new_page()
            errors = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            yield page
            assert errors == []
        finally:
            browser.close()


def distance_after_jump(page, selector: str) -> float:
    """Clicks a link within a page and waits until nothing moves any more.

    Args:
        page: of chromium_page.
        selector: of the link.

    Returns:
        How far its target's top is from where it belongs, CSS pixels; 0 also where the page ends
        before the target can get up there.
    """
    page.locator(selector).first.evaluate("link => link.click()")
    place, still = None, 0
    while still < 4:
        page.wait_for_timeout(100)
        now = page.evaluate("[scrollY, document.documentElement.scrollHeight]")
        place, still = now, still + 1 if now == place else 0
    return page.evaluate(
        """() => {
          const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
          const root = document.documentElement;
          const padding = parseFloat(getComputedStyle(root).scrollPaddingTop);
          const off = target.getBoundingClientRect().top - padding;
          const isAtEnd = scrollY + innerHeight >= root.scrollHeight - 2;
          return isAtEnd && off > 0 ? 0 : Math.abs(off);
        }"""
    )
