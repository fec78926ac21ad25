"""What both review pages' servers answer to bad requests, and what a stopped review says."""

import types

import pytest
import requests
from starlette.responses import JSONResponse
from starlette.routing import Route

from data_prep.review import __main__ as command
from data_prep.review.page_server import PageServer


@pytest.fixture
def url(tmp_path):
    """Of a page whose /echo answers with the json that it was sent."""

    async def echo(request):
        return JSONResponse(await server.asked(request))

    server = PageServer(tmp_path, {}, [Route("/echo", echo, methods=["POST"])], 0)
    server.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/echo"
    server.stop()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "got nothing in the body, expected a json object."),
        (b"name=a.jpg", "got 'name=a.jpg' in the body, expected a json object."),
        (b'{"name": ', "got '{\"name\": ' in the body, expected a json object."),
        (b"\xff\xfe\xfd", "got '\\xff\\xfe\\xfd' in the body, expected a json object."),
        (b"[1]", "got [1], expected an object."),
        (b"[" * 100_000, "the json is nested too deep."),
    ],
)
def test_body_that_is_no_json_object_is_told_as_such(url, body, told):
    answer = requests.post(url, body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (400, {"error": told})


def test_stopped_review_says_in_one_line_how_to_go_on(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    server = types.SimpleNamespace(server_address=("", 8600), serve_forever=interrupted)
    monkeypatch.setattr(
        command, "FLAGS", types.SimpleNamespace(dir="my review", photos_dir="photos")
    )

    command._serve(server)

    assert capsys.readouterr().out.splitlines() == [
        "review at http://127.0.0.1:8600/",
        "all decisions are saved; to go on: python -m data_prep.review --dir='my review' "
        "--photos_dir=photos",
    ]
