"""Fetches one file from the web: politely, within limits, and never more than asked for."""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import requests
import urllib3

_MAX_REDIRECTS = 5
_READ_TIMEOUT_S = 10.0
_CHUNK = 65_536
_MAX_CRAWL_DELAY_S = 60  # a host that asks for more is left alone
_MAX_ROBOTS_BYTES = 500_000  # RFC 9309, 2.5


class FetchError(Exception):
    """A file that was not fetched.

    Attributes:
        reason: the manifest's key.
        is_passing: whether another try, later, may help.
    """

    def __init__(self, reason: str, is_passing: bool = False):
        super().__init__(reason)
        self.reason = reason
        self.is_passing = is_passing


@dataclass
class Politeness:
    """How a crawl behaves.

    Attributes:
        user_agent: sent with every request; robots.txt is read for it.
        requests_per_s: to one host, at most; a robots.txt may ask for fewer.
        deadline_s: for one file, redirects and stalls counted.
        max_bytes: of one file.
        obeys_robots: whether robots.txt decides.
        public_hosts_only: refuses addresses of local networks.
    """

    user_agent: str
    requests_per_s: float = 1.0
    deadline_s: float = 30.0
    max_bytes: int = 25_000_000
    obeys_robots: bool = True
    public_hosts_only: bool = True


@dataclass
class _Host:
    lock: threading.Lock = field(default_factory=threading.Lock)
    next_request: float = 0.0
    robots: RobotFileParser | None = None
    interval_s: float = 0.0
    is_too_slow: bool = False


class Fetcher:
    """Fetches files; safe to use from several threads, each host is asked in turn."""

    def __init__(self, politeness: Politeness):
        self._politeness = politeness
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._local = threading.local()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends all waits for a host's turn; what waits or comes later is "interrupted"."""
        self._stopped.set()

    def fetch(self, url: str) -> bytes:
        """Fetches a file, redirects followed.

        Raises:
            FetchError: It is not there, not allowed, too large, too slow, or not an image by the
                server's own word.
        """
        left_s = self._politeness.deadline_s
        seen = set()
        for _ in range(_MAX_REDIRECTS + 1):
            if url in seen:
                raise FetchError("redirect_loop")
            seen.add(url)
            self._wait_turn(self._check(url))
            started = time.monotonic()
            try:
                with self._get(url, left_s) as response:
                    if not response.is_redirect:
                        _check_response(response)
                        return self._read(response, started + left_s)
                    url = urljoin(url, response.headers["Location"])
            except (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError) as error:
                raise FetchError("timed_out", is_passing=True) from error
            except (requests.exceptions.ConnectionError, OSError) as error:
                raise FetchError("connection_failed", is_passing=True) from error
            except urllib3.exceptions.HTTPError as error:
                raise FetchError("broke_off", is_passing=True) from error
            except ValueError as error:
                raise FetchError("broken_answer") from error
            left_s = max(left_s - (time.monotonic() - started), 0.1)
        raise FetchError("too_many_redirects")

    def _check(self, url: str) -> _Host:
        """Checks that a URL may be asked for; the host's state."""
        parts = self._check_address(url)
        with self._lock:
            host = self._hosts.setdefault(f"{parts.hostname}:{parts.port}", _Host())
        with host.lock:
            if host.robots is None:
                host.interval_s = 1 / self._politeness.requests_per_s
                host.robots = self._read_robots(f"{parts.scheme}://{parts.netloc}")
                asked = int(host.robots.crawl_delay(self._politeness.user_agent) or 0)
                host.is_too_slow = asked > max(_MAX_CRAWL_DELAY_S, host.interval_s)
                if not host.is_too_slow:
                    host.interval_s = max(host.interval_s, asked)
        if not host.robots.can_fetch(self._politeness.user_agent, url):
            raise FetchError("robots_disallow")
        if host.is_too_slow:
            raise FetchError("robots_too_slow")
        return host

    def _check_address(self, url: str) -> SplitResult:
        """Checks that a URL leads to the web and, if so chosen, to no local network."""
        try:
            parts = urlsplit(url)
            name, _ = parts.hostname, parts.port
        except ValueError as error:
            raise FetchError("not_a_web_address") from error
        if parts.scheme not in ("http", "https") or not name:
            raise FetchError("not_a_web_address")
        if self._politeness.public_hosts_only and not _is_public(name):
            raise FetchError("not_a_public_host")
        return parts

    def _read_robots(self, origin: str) -> RobotFileParser:
        """Reads robots.txt as RFC 9309 says: none allows all, an unreachable one nothing."""
        robots = RobotFileParser()
        robots.parse([])
        if not self._politeness.obeys_robots:
            return robots
        try:
            robots.parse(self._robots_lines(f"{origin}/robots.txt"))
        except (FetchError, OSError, urllib3.exceptions.HTTPError, ValueError):
            return RobotFileParser()  # one that has read nothing allows nothing
        return robots

    def _robots_lines(self, url: str) -> list[str]:
        """Fetches robots.txt; every redirect is checked as a photo's is."""
        deadline = time.monotonic() + _READ_TIMEOUT_S
        for _ in range(_MAX_REDIRECTS + 1):
            self._check_address(url)
            with self._get(url, max(deadline - time.monotonic(), 0.1)) as response:
                if response.is_redirect:
                    url = urljoin(url, response.headers["Location"])
                    continue
                if response.status_code >= 500:
                    raise FetchError(f"http_{response.status_code}", is_passing=True)
                text = bytearray()
                for chunk in _chunks(response) if response.status_code < 400 else ():
                    text += chunk
                    if len(text) > _MAX_ROBOTS_BYTES or time.monotonic() > deadline:
                        break
                return text.decode("utf-8", "replace").splitlines()
        raise FetchError("too_many_redirects")

    def _wait_turn(self, host: _Host) -> None:
        with host.lock:
            now = time.monotonic()
            turn = max(now, host.next_request)
            host.next_request = turn + host.interval_s
        if self._stopped.wait(turn - now):
            raise FetchError("interrupted", is_passing=True)

    def _get(self, url: str, left_s: float) -> requests.Response:
        timeout = (min(5, left_s), min(_READ_TIMEOUT_S, left_s))
        return self._session().get(url, stream=True, timeout=timeout, allow_redirects=False)

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """Reads a body; a server that trickles runs into the deadline."""
        contents = bytearray()
        for chunk in _chunks(response):
            contents += chunk
            if len(contents) > self._politeness.max_bytes:
                raise FetchError("too_many_bytes")
            if time.monotonic() > deadline:
                raise FetchError("timed_out", is_passing=True)
        return bytes(contents)

    def _session(self) -> requests.Session:
        """One a thread: sessions are not made for several."""
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.headers["User-Agent"] = self._politeness.user_agent
            session.headers["Accept"] = "image/*"
            session.headers["Accept-Encoding"] = "identity"
            self._local.session = session
        return self._local.session


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yields what arrives as it arrives, never waiting for a chunk to be full."""
    while chunk := response.raw.read1(_CHUNK):
        yield chunk


def _check_response(response: requests.Response) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        raise FetchError(f"http_{status}", is_passing=True)
    if status != 200:
        raise FetchError(f"http_{status}")
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind.startswith("text/") or kind in ("application/json", "application/xhtml+xml"):
        raise FetchError("not_an_image")


def _is_public(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return True  # the request itself will say that there is no such host
    return all(ipaddress.ip_address(str(entry[4][0]).split("%")[0]).is_global for entry in found)
