"""Batches across requests: all are answered, with their own answers, in bounded queues."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.live.batching import Batcher, Full


def batcher(compute, **options):
    options = {"most": 8} | options
    return Batcher(compute, ThreadPoolExecutor(2), **options)


def test_requests_that_come_together_are_computed_together_and_each_gets_its_own():
    sizes, first = [], threading.Event()

    def compute(rows):
        sizes.append(len(rows))
        first.wait(5)
        return [row * 10 for row in rows]

    async def story():
        made = batcher(compute)
        tasks = [asyncio.create_task(made.answer([n, n + 100])) for n in range(5)]
        await asyncio.sleep(0.05)
        first.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(story()) == [[n * 10, n * 10 + 1000] for n in range(5)]
    assert sizes == [8, 2]


def test_a_fault_of_one_request_is_its_own():
    gate = threading.Event()

    def compute(rows):
        gate.wait(5)
        if "bad" in rows:
            raise ValueError("it is bad")
        return rows

    async def story():
        made = batcher(compute)
        tasks = [asyncio.create_task(made.answer([row])) for row in ("a", "b", "bad", "c")]
        await asyncio.sleep(0.05)
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    one, two, fault, three = asyncio.run(story())
    assert (one, two, three) == (["a"], ["b"], ["c"])
    assert isinstance(fault, ValueError)


def test_more_than_the_queue_holds_is_refused_and_the_rest_is_answered():
    gate = threading.Event()

    def compute(rows):
        gate.wait(5)
        return rows

    async def story():
        made = batcher(compute, most=3)
        tasks = [asyncio.create_task(made.answer([0]))]
        await asyncio.sleep(0.05)  # it is computed, and the others wait
        tasks += [asyncio.create_task(made.answer([n])) for n in range(1, 12)]
        await asyncio.sleep(0.05)
        full = made.full
        gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        return full, found

    full, found = asyncio.run(story())
    refused = [answer for answer in found if isinstance(answer, Full)]
    assert full
    assert len(refused) == 12 - 7
    assert [answer for answer in found if not isinstance(answer, Full)] == [[n] for n in range(7)]


def test_a_request_whose_caller_has_gone_is_not_computed():
    seen, gate = [], threading.Event()

    def compute(rows):
        seen.extend(rows)
        gate.wait(5)
        return rows

    async def story():
        made = batcher(compute, most=2)
        stay = [asyncio.create_task(made.answer([0]))]
        await asyncio.sleep(0.05)  # it is computed, and the others wait
        stay += [asyncio.create_task(made.answer([n])) for n in (1, 2)]
        await asyncio.sleep(0.05)
        stay[1].cancel()
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*stay, return_exceptions=True)

    found = asyncio.run(story())
    assert (found[0], found[2]) == ([0], [2])
    assert isinstance(found[1], asyncio.CancelledError)
    assert seen == [0, 2]


def test_a_batch_that_fails_alone_is_told():
    async def story():
        await batcher(lambda _rows: 1 / 0).answer([1])

    with pytest.raises(ZeroDivisionError):
        asyncio.run(story())


def test_batches_shrink_where_rows_take_long_and_grow_again():
    pause = [0.02]

    def compute(rows):
        time.sleep(pause[0] * len(rows))
        return rows

    async def story():
        made, sizes = batcher(compute, most=64, seconds=0.1, seen=lambda n, _: sizes.append(n)), []
        for pause[0] in (0.01, 0.0001):
            for _ in range(12):
                tasks = [asyncio.create_task(made.answer([n])) for n in range(60)]
                await asyncio.gather(*tasks, return_exceptions=True)
            yield_ = max(sizes[-4:])
            assert (yield_ <= 20) == (pause[0] == 0.01), sizes

    asyncio.run(story())


def test_a_request_that_follows_an_answer_at_once_is_computed():
    async def story():
        made = batcher(lambda rows: rows)
        for number in range(20):
            assert await asyncio.wait_for(made.answer([number]), 5) == [number]

    asyncio.run(story())
