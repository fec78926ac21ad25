"""The requests that the script of the review page sends."""

from typing import Any

import cv2
import numpy as np
import requests

_TIMEOUT_S = 120
_SHOWN_SIDE = 1600  # pixels; larger photos are shown smaller


class RefusedRequest(ValueError):
    """The server says why it does not do what it was asked."""


class ReviewPage:
    """One open page.

    Args:
        url: that data_prep.review prints, with its "/".
    """

    def __init__(self, url: str):
        self._url = url
        self._requests = requests.Session()

    def photos(self) -> dict[str, Any]:
        """All photos in order, and how far the review is."""
        return self._answered(self._requests.get(f"{self._url}photos", timeout=_TIMEOUT_S))

    def show(self, name: str) -> dict[str, Any]:
        """A photo's garments; its pixels are asked for too, as they are to be looked at."""
        params = {"name": name}
        answer = self._requests.get(f"{self._url}photo", params=params, timeout=_TIMEOUT_S)
        if not answer.ok:
            self._answered(answer)
        photo = self._answered(
            self._requests.get(f"{self._url}garments", params=params, timeout=_TIMEOUT_S)
        )
        shown = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        size_wh = photo["width"], photo["height"]
        if shown is None or shown.shape[1::-1] != size_wh and max(size_wh) <= _SHOWN_SIDE:
            raise ValueError(f"{name}: not shown as a picture of {size_wh}, as its garments are.")
        return photo

    def decide(self, photo: dict[str, Any], action: str, **asked: Any) -> dict[str, Any]:
        """Has the server change the photo as it is shown; gives it as it is then.

        Raises:
            RefusedRequest: It cannot be done.
        """
        body = {"name": photo["name"], "revision": photo["revision"], "action": action, **asked}
        return self._answered(
            self._requests.post(f"{self._url}decide", json=body, timeout=_TIMEOUT_S)
        )

    def _answered(self, answer: requests.Response) -> dict[str, Any]:
        found = answer.json()
        if not answer.ok:
            raise RefusedRequest(found["error"])
        return found
