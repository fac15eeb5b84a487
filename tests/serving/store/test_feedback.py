"""Feedback: joined to its answer, the same said twice is one, durable when it is acknowledged."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from components.core.errors import BadInput
from serving.store.answers import AnswerLog
from serving.store.feedback import Feedback
from serving.store.said import About, NotKept, Said
from tests.serving.store.noted import answered

ABOUT = About(model="tiny", version=4, package_digest="e" * 64, classes=["ring", "coin"])


@pytest.fixture
def log(opened, clock):
    made = AnswerLog(opened(), days=30, clock=clock)
    made.start()
    yield made
    made.close()


@pytest.fixture
def feedback(opened, log, clock):
    return Feedback(opened(), log, clock)


def give(feedback, by="shop", **said):
    return feedback.give(Said(**said), ABOUT, by)


def test_an_answer_can_be_judged_at_once_and_brings_its_own_version(feedback, log, opened):
    answer = answered(payload={"text": "ring"})
    log.note(answer)
    found = give(feedback, answer=answer.id, labels=["coin"])
    (given,) = Feedback(opened()).all()
    assert (given.id, given.answer, given.labels, given.unknown) == (
        found, answer.id, ["coin"], [],
    )  # fmt: skip
    assert (given.version, given.package_digest) == (3, "d" * 64)
    assert given.payload == '{"text": "ring"}'


def test_records_that_got_a_label_are_known(feedback):
    give(feedback, record="r7", labels=["ring"])
    give(feedback, record="r8", note="what is it?")
    give(feedback, by="desk", record="r9", labels=[], multi=True)
    assert feedback.labelled("tiny") == {"r7", "r9"}
    assert feedback.labelled("another") == set()


def test_a_record_is_judged_under_the_version_that_is_served(feedback):
    give(feedback, record="r7", labels=["ring"])
    (given,) = feedback.all()
    assert (given.record, given.version, given.token) == ("r7", 4, "shop")


def test_the_same_said_again_is_one(feedback, clock):
    first = give(feedback, record="r7", labels=["ring"], note="sure")
    clock.now += 5
    assert give(feedback, record="r7", labels=["ring"], note="sure") == first
    (given,) = feedback.all()
    assert given.time == 1_000_000.0


def test_a_later_label_takes_the_place_of_the_earlier_one(feedback, clock):
    first = give(feedback, record="r7", labels=["ring"], note="sure")
    clock.now += 5
    assert give(feedback, record="r7", labels=["a new class"]) == first
    (given,) = feedback.all()
    assert (given.labels, given.unknown, given.note) == (["a new class"], ["a new class"], "sure")
    assert given.time == clock.now
    assert feedback.all(since=clock.now + 1) == []


def test_tokens_speak_for_themselves(feedback):
    assert len({give(feedback, by, record="r7", labels=["ring"]) for by in "ab"}) == 2
    assert len(feedback.all()) == 2


def test_judgements_of_further_hits_are_added(feedback, log):
    hits = {"target": "image", "hits": [{"id": "a", "score": 1.0}, {"id": "b", "score": 0.5}]}
    answer = answered(endpoint="search", outputs=hits)
    log.note(answer)
    give(feedback, answer=answer.id, relevant={"a": True})
    give(feedback, answer=answer.id, relevant={"b": False})
    (given,) = feedback.all()
    assert (given.relevant, given.labels) == ({"a": True, "b": False}, None)


def test_a_hit_that_the_answer_does_not_have_is_refused(feedback, log):
    log.note(answer := answered())
    with pytest.raises(BadInput, match="relevant: got 'x', wanted the id of a hit"):
        give(feedback, answer=answer.id, relevant={"x": True})
    assert feedback.all() == []


@pytest.mark.parametrize("answer", ["", "no id", "0" * 26, "\0" * 26, "\ud800"])
def test_an_answer_that_is_not_in_the_log_is_refused(feedback, answer):
    with pytest.raises(NotKept, match="answer_id: got"):
        give(feedback, answer=answer, labels=["ring"])


def test_an_answer_of_another_replica_is_waited_for(feedback, opened, clock):
    """It was given a moment ago, and its own process writes it a moment later."""
    answer = answered()
    with ThreadPoolExecutor(1) as pool:
        given = pool.submit(give, feedback, answer=answer.id, labels=["ring"])
        other = AnswerLog(opened(), days=30, clock=clock)
        other.start()
        other.note(answer)
        other.close()
        assert given.result(10)


def test_a_set_of_classes_is_a_set(feedback):
    give(feedback, record="r7", labels=["ring", "coin", "ring"], multi=True)
    (given,) = feedback.all()
    assert (given.labels, given.multi) == (["coin", "ring"], True)


def test_many_at_once_are_one_row(feedback, opened):
    others = [Feedback(opened()) for _ in range(4)]

    def say(n):
        return give(others[n % 4], record="r7", labels=["ring"], note=str(n))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(say, range(20)))) == 1
    assert len(feedback.all()) == 1


def test_what_no_database_takes_is_kept(feedback):
    give(feedback, record="r7", labels=["\0"], note="\0\ud800")
    (given,) = feedback.all()
    assert (given.labels, given.note) == (["\0"], "\0\ud800")


def test_what_is_withdrawn_is_gone_and_may_be_said_again(feedback, opened):
    mine = give(feedback, record="r7", labels=["ring"], note="sure")
    others = give(feedback, by="desk", record="r7", labels=["coin"])
    assert not feedback.withdraw(mine, "desk")  # another token's word
    assert not feedback.withdraw("0" * 32, "shop")
    assert feedback.withdraw(mine, "shop")
    assert not feedback.withdraw(mine, "shop")
    assert [one.id for one in Feedback(opened()).all()] == [others]
    assert give(feedback, record="r7", labels=["coin"]) == mine
    (again,) = [one for one in feedback.all() if one.id == mine]
    assert (again.labels, again.note) == (["coin"], None)


def test_who_has_no_token_withdraws_what_nobody_s_token_said(feedback):
    mine = give(feedback, by=None, record="r7", labels=["ring"])
    assert not feedback.withdraw(mine, "shop")
    assert feedback.withdraw(mine, None)
    assert feedback.labelled("tiny") == set()
