"""The files of the page over HTTP; `tests.serving.ui` opens it in a browser."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.http import page
from serving.http.headers import PAGE_POLICY
from serving.http.refusals import refuse_in_words

UI = Path(page.__file__).parents[1] / "ui"


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    refuse_in_words(app)
    page.add(app)
    with TestClient(app) as client:
        yield client


def test_every_file_is_served_with_its_type_and_a_strict_policy(client):
    for path in sorted(UI.iterdir()):
        response = client.get(f"/ui/{path.name}")
        assert response.content == path.read_bytes()
        assert response.headers["content-security-policy"] == PAGE_POLICY
        assert response.headers["x-content-type-options"] == "nosniff"
    assert client.get("/").content == (UI / "index.html").read_bytes()
    assert client.head("/").status_code == 200


def test_a_browser_asks_anew_and_gets_nothing_new_while_its_copy_is_the_same(client):
    first = client.get("/ui/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/ui/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/ui/app.js", headers={"If-None-Match": '"old"'}).content == first.content


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fservice.py", "%2e%2e/service.py", ""])
def test_nothing_else_is_served(client, name):
    response = client.get(f"/ui/{name}")
    assert response.status_code == 404
    assert set(response.json()) == {"message", "problems"}


def test_the_page_has_no_script_or_style_of_its_own_and_names_no_other_host():
    html = (UI / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)
    for path in UI.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.findall(r"https?://|//cdn|@import|url\(", text), path.name
        # Names from data become text.
        assert not re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text
        )
