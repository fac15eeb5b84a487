"""Bodies: limits of size, time, memory and shape."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.http import reading
from serving.http.reading import MOST_DEPTH, Bodies, Crowded, Gone, TooLarge, TooSlow, check_shape

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=30,
)


def parts_of(value):
    """Texts, brackets, commas and colons of a value, counted by walking over it."""
    if isinstance(value, str):
        return 1
    if isinstance(value, list):
        return 2 + max(0, len(value) - 1) + sum(map(parts_of, value))
    if isinstance(value, dict):
        inner = sum(1 + 1 + parts_of(v) for v in value.values())
        return 2 + max(0, len(value) - 1) + inner
    return 0


def depth_of(value):
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(JSON, st.booleans())
def test_parts_and_depth_are_those_of_the_value(value, ascii):
    body = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    most = parts_of(value)
    if depth_of(value) > MOST_DEPTH:
        return
    check_shape(body, most)
    if most:
        with pytest.raises(TooLarge):
            check_shape(body, most - 1)


@pytest.mark.parametrize("level", [MOST_DEPTH, MOST_DEPTH + 1])
def test_the_depth_has_a_limit(level):
    body = b"[" * level + b"]" * level
    if level <= MOST_DEPTH:
        check_shape(body, 10_000)
    else:
        with pytest.raises(TooLarge, match="within each other"):
            check_shape(body, 10_000)


@pytest.mark.parametrize(
    "body", [b'"' + b'\\"' * 200_000, b'"' * 200_001, b"\\" * 200_000, b'"\\' * 100_000, b'"a\\']
)
def test_no_text_makes_it_scan_twice(body):
    """Two hundred thousand bytes would take minutes if each quote were tried to the end."""
    check_shape(body, 10**9)


def messages(*parts, then=None):
    """``receive`` of ASGI: parts of a body; then what comes after them, else silence."""
    left = [
        {"type": "http.request", "body": part, "more_body": n < len(parts) - 1 or then is not None}
        for n, part in enumerate(parts)
    ]

    async def receive():
        if left:
            return left.pop(0)
        if then is not None:
            return then
        await asyncio.Event().wait()

    return receive


def read(bodies, receive, declared=None, most=100):
    async def story():
        async with bodies.read(receive, declared, most) as body:
            return body

    return asyncio.run(story())


def test_a_body_is_joined_and_its_limit_holds_by_what_is_declared_and_by_what_comes():
    assert read(Bodies(1000), messages(b"a", b"", b"bc")) == b"abc"
    with pytest.raises(TooLarge, match="101 bytes"):
        read(Bodies(1000), messages(b"a"), declared=101)
    with pytest.raises(TooLarge, match="more than 100"):
        read(Bodies(1000), messages(b"a" * 60, b"a" * 60))


def test_a_client_that_goes_or_sends_nothing_more_ends_it(monkeypatch):
    with pytest.raises(Gone):
        read(Bodies(1000), messages(b"a", then={"type": "http.disconnect"}))
    monkeypatch.setattr(reading, "_SECONDS", 0.05)

    async def silent():
        await asyncio.Event().wait()

    with pytest.raises(TooSlow):
        read(Bodies(1000), silent)


def test_memory_is_shared_and_given_back(monkeypatch):
    monkeypatch.setattr(reading, "_PATIENCE", 0.05)

    async def story():
        bodies = Bodies(100)
        async with bodies.read(messages(b"a" * 80), None, 100):
            with pytest.raises(Crowded):
                async with bodies.read(messages(b"b" * 30), None, 100):
                    pass
            async with bodies.read(messages(b"b" * 20), None, 100) as small:
                assert len(small) == 20
        async with bodies.read(messages(b"c" * 100), None, 100) as whole:
            assert len(whole) == 100

    asyncio.run(story())
