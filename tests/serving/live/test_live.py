"""Which unit answers: swaps, drains, canaries, shadows."""

import asyncio
from types import SimpleNamespace

import pytest

from serving.live.answers import NotLive
from serving.live.live import Beside, Live, share_of


def unit(version):
    """As much of a unit as choosing needs."""
    return SimpleNamespace(
        ref=SimpleNamespace(version=version, package_digest=f"digest {version}"),
        requests=0,
        serves=lambda: None,
    )


def test_a_swap_waits_for_requests_that_have_begun_and_new_ones_get_the_new_unit():
    async def story():
        one, two = unit(1), unit(2)
        live = Live(one)
        with live.lease("ada") as before:
            swap = asyncio.create_task(live.swap(two))
            await asyncio.sleep(0.03)
            assert (before, swap.done()) == (one, False)
            with live.lease("ada") as after:
                assert after is two
        assert await swap is one
        assert (one.requests, two.requests) == (0, 0)

    asyncio.run(story())


def test_one_key_sees_one_version_and_the_share_is_kept():
    async def story():
        live = Live(unit(1))
        live.canary = Beside(unit=unit(2), share=0.25)
        seen = {}
        for number in range(2000):
            for _ in range(2):
                with live.lease(f"key {number}") as chosen:
                    assert seen.setdefault(number, chosen) is chosen
        share = sum(u.ref.version == 2 for u in seen.values()) / len(seen)
        assert share == pytest.approx(0.25, abs=0.04)

    asyncio.run(story())


def test_a_header_asks_for_a_version_that_serves():
    async def story():
        live = Live(unit(1))
        live.canary = Beside(unit=unit(2), share=0.0)
        with live.lease("ada", "2") as chosen:
            assert chosen.ref.version == 2
        with live.lease("ada", "1") as chosen:
            assert chosen.ref.version == 1
        with pytest.raises(NotLive, match="3"), live.lease("ada", "3"):
            pass

    asyncio.run(story())


def test_nothing_answers_before_a_unit_is_there():
    with pytest.raises(NotLive):
        Live().any()


def test_another_canary_draws_other_keys():
    drawn = [(share_of(f"{n}", "a") < 0.5, share_of(f"{n}", "b") < 0.5) for n in range(400)]
    assert 0.4 < sum(a == b for a, b in drawn) / 400 < 0.6
