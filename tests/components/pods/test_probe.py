"""The doctor's pod reports through the exchange, or ends with the exchange's exit code."""

import json
from pathlib import Path

import pytest

from components.exchange.exchange import Exchange
from components.pods import exit_codes
from components.pods.code import code_digest
from components.pods.probe import ANSWER, QUESTION, main


def test_the_answer_is_the_question_with_the_code_that_ran(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Exchange(str(tmp_path)).write_json(QUESTION, {"question": "q"})
    assert main(["--at", str(tmp_path)]) == exit_codes.DONE
    answer = Exchange(str(tmp_path)).read_json(ANSWER)
    assert (answer["answer"], answer["code"]) == ("q", code_digest())
    assert json.loads(capsys.readouterr().out)["code"] == code_digest()


def test_a_place_without_a_question_is_told_and_ends_as_a_lost_exchange(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--at", str(tmp_path)]) == exit_codes.IO
    assert "another place" in capsys.readouterr().err
