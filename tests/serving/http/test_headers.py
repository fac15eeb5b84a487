"""Headers of every answer."""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from starlette.testclient import TestClient

from serving.http.headers import PAGE_POLICY, docs_policy, safe


def client(scheme="http"):
    app = FastAPI()

    @app.get("/")
    def page():
        return HTMLResponse("<p>", headers={"Server": "something/1.2"})

    @app.get("/v1/media")
    def media():
        policy = {"Content-Security-Policy": "sandbox", "Cache-Control": "no-cache"}
        return Response(b"", headers=policy)

    async def front(scope, receive, send):
        await app(scope, receive, safe(scope, send) if scope["type"] == "http" else send)

    return TestClient(front, base_url=f"{scheme}://localhost")


def test_every_answer_has_them_refusals_too():
    for path in ("/", "/v1/none", "/docs-of-nothing"):
        headers = client().get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"] == PAGE_POLICY
        assert "Server" not in headers


def test_a_page_may_use_its_own_files_alone_and_be_in_no_frame():
    rules = dict(rule.split(" ", 1) for rule in PAGE_POLICY.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == rules["style-src"] == "'self'"
    assert "http" not in PAGE_POLICY


def test_an_answer_that_says_so_itself_keeps_its_own():
    headers = client().get("/v1/media").headers
    assert headers["Content-Security-Policy"] == "sandbox"
    assert headers["Cache-Control"] == "no-cache"


def test_what_is_asked_is_kept_by_no_cache():
    assert client().get("/v1/none").headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in client().get("/").headers


def test_browsers_stay_with_tls_where_it_is_used():
    assert "Strict-Transport-Security" not in client().get("/").headers
    assert "Strict-Transport-Security" in client("https").get("/").headers


def test_the_script_of_the_openapi_page_is_allowed_by_its_digest():
    """The digest is the one that openssl gives (`openssl dgst -sha256 -binary | base64`)."""
    policy = docs_policy(b"<script src='/a.js'></script><script>alert(1)</script>")
    digest = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
    assert f"script-src 'self' {digest};" in policy
    assert "script-src 'self' 'unsafe" not in policy
