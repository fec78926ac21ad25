"""The review page in a real browser, worked by keys and mouse as a person does."""

from collections import Counter
from typing import Any

from tests.loop.review_page import RefusedRequest

_TOOLS = {"box": "b", "product": "p", "background": "x"}
_KEYS = {"accept": "a", "trim": "t", "delete": "d", "split": "s"}


class BrowserPage:
    """Does what ReviewPage does, through the page's own script.

    Args:
        page: of tests.browser.chromium_page.
        url: that data_prep.review prints.

    Attributes:
        done: how many of each action the server did.
    """

    def __init__(self, page: Any, url: str):
        self._page = page
        self.done: Counter[str] = Counter()
        page.goto(url)
        page.wait_for_function("document.body.dataset.ready")

    def photos(self) -> dict[str, Any]:
        """All photos in order, and how far the review is."""
        return self._page.evaluate("({photos, ...progress})")

    def show(self, name: str) -> dict[str, Any]:
        """The photo that is shown; it has to be this one."""
        self._page.wait_for_function("name => photo && image && photo.name === name", arg=name)
        return self._shown()

    def decide(self, photo: dict[str, Any], action: str, **asked: Any) -> dict[str, Any]:
        """Presses what a person presses; gives the photo as it is shown then.

        Raises:
            RefusedRequest: The page says that it cannot be done.
        """
        name, revision = photo["name"], photo["revision"]
        if action in ("delete", "split", "category", "redraw"):
            self._choose(asked["index"])
        if action == "category":
            self._page.keyboard.press("c")
            self._type_category(asked["category"])
        elif action in ("redraw", "add"):
            self._draw(action, **asked)
        else:
            self._page.keyboard.press(_KEYS[action])
        self._page.wait_for_function(
            """([name, revision]) => !underway.size &&
                 (!photo || photo.name !== name || photo.revision > revision ||
                  document.getElementById("message").className === "error")""",
            arg=[name, revision],
        )
        if self._page.evaluate("document.getElementById('message').className") == "error":
            reason = self._page.inner_text("#message")
            self._page.keyboard.press("Escape")
            raise RefusedRequest(reason)
        self.done[action] += 1
        return {**photo, **self._page.evaluate("progress")} if action == "accept" else self._shown()

    def _shown(self) -> dict[str, Any]:
        return self._page.evaluate("({...photo, ...progress})")

    def _choose(self, index: int) -> None:
        """By its number, those from the tenth on in the list."""
        if index < 9:
            self._page.keyboard.press(str(index + 1))
        else:
            self._page.locator("#garments button").nth(index).click()

    def _type_category(self, category: str) -> None:
        self._page.locator("#chooser").wait_for()
        self._page.keyboard.type(category)
        self._page.keyboard.press("Enter")

    def _draw(self, action: str, marks: list[dict], is_exact: bool, **asked: Any) -> None:
        is_new = action == "add"
        if is_new:
            self._page.keyboard.press("n")  # lets go of the garment chosen
        kind = "box" if is_new else None
        for mark in marks:
            if mark["kind"] != kind:
                kind = mark["kind"]
                self._page.keyboard.press(_TOOLS[kind])
            if "width" in mark:
                self._take_brush(mark["width"])
            self._drag(mark["points"])
        self._page.keyboard.press("Shift+Enter" if is_exact else "Enter")
        if is_new:
            self._type_category(asked["category"])

    def _take_brush(self, width: int) -> None:
        """No thicker than this."""
        for key, is_off in (("]", "<"), ("[", ">")):
            for _ in range(12):
                if not self._page.evaluate(f"strokeWidth() {is_off} {width}"):
                    break
                self._page.keyboard.press(key)

    def _drag(self, points: list[list[int]]) -> None:
        places = self._page.evaluate(
            """points => {
              const box = canvas.getBoundingClientRect();
              const [x_scale, y_scale] = [box.width / photo.width, box.height / photo.height];
              const within = (value, size) => Math.min(Math.max(value, 0), size - 1);
              return points.map(([x, y]) => [
                box.left + within(x, photo.width) * x_scale,
                box.top + within(y, photo.height) * y_scale,
              ]);
            }""",
            points,
        )
        self._page.mouse.move(*places[0])
        self._page.mouse.down()
        for place in places[1:]:
            self._page.mouse.move(*place)
        self._page.mouse.up()
