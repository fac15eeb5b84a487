"""A value means the same in a data set, over HTTP, on the command line and in MLflow.

Each case says what the model must read; the expected values are written by hand from the rule, and
what arrives at the encoder of fields is compared through every door.
"""

import base64
import datetime
import functools
import json
import math
from dataclasses import replace
from decimal import Decimal

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from components.core.errors import BadInput
from components.data.manifest import parse
from components.data.reader import Dataset, raws
from components.features.modality import build_modality
from components.parts.reading import Reading
from components.prediction import batch
from components.prediction.predictor import Predictor
from components.registry.mlflow_pyfunc import PyfuncModel
from components.validation.stored_types import schema_problems
from flows.cli import app as command_line
from flows.commands import asking
from serving.client import Client
from serving.interface.limits import Limits
from serving.live.answers import Answers
from tests import served, synthetic
from tests.packaged import packed

COLUMNS = {
    "weight": {"type": "number", "null": {"default": 3}},
    "colour": {"type": "category", "null": "missing"},
    "tags": {"type": "set", "separator": "|", "null": "missing"},
}
DEFAULTS = {"weight": 3.0, "colour": None, "tags": None}
MANIFEST = {
    "id": "id",
    "target": {"column": "label"},
    "modalities": {
        "facts": {"kind": "tabular", "columns": COLUMNS},
        "text": {"kind": "text", "column": "title"},
    },
}
CASES = [
    *[({"weight": given}, {"weight": 3.0}) for given in (None, math.nan)],
    ({}, {}),
    ({"weight": True}, {"weight": 1.0}),
    ({"weight": 7}, {"weight": 7.0}),
    ({"weight": -2.5}, {"weight": -2.5}),
    ({"weight": Decimal("2.50")}, {"weight": 2.5}),
    ({"colour": "red"}, {"colour": "red"}),
    *[({"colour": given}, {"colour": None}) for given in (None, "", "  ")],
    *[({"colour": text}, {"colour": text}) for text in ("NA", "null", "007", " red ", "größe")],
    ({"colour": True}, {"colour": "true"}),
    ({"colour": 7}, {"colour": "7"}),
    ({"colour": 7.0}, {"colour": "7"}),
    ({"colour": 6.5}, {"colour": "6.5"}),
    ({"colour": 2**60 + 1}, {"colour": "1152921504606846977"}),
    ({"colour": datetime.date(2024, 2, 29)}, {"colour": "2024-02-29"}),
    ({"tags": "b| a |b|"}, {"tags": ["a", "b"]}),
    ({"tags": "a,b"}, {"tags": ["a,b"]}),
    ({"tags": ["b", "a", "b", None]}, {"tags": ["a", "b"]}),
    ({"tags": [2, 1]}, {"tags": ["1", "2"]}),
    ({"tags": [True]}, {"tags": ["true"]}),
    ({"tags": []}, {"tags": []}),
    *[({"tags": given}, {"tags": None}) for given in (None, "")],
]


@pytest.fixture(scope="module")
def seen():
    """What the encoder of fields was given, since it was cleared last."""
    return []


@pytest.fixture(scope="module")
def predictor(seen):
    """The tiny model; its fields have a default and a separator, and its encoder is listened to."""
    found = Predictor.load(packed().package)
    columns = {"kind": "tabular", "column": None, "columns": COLUMNS}
    facts = build_modality("facts", "tabular", synthetic.OPTIONS["facts"], columns)
    encoder = facts.encoders["facts/fields"]

    class Heard:
        shape, dtype, detail = encoder.shape, encoder.dtype, encoder.detail

        def encode(self, values):
            seen.extend(values)
            return encoder.encode(values)

    found.classifier.modalities["facts"] = replace(facts, encoders={"facts/fields": Heard()})
    return found


@pytest.fixture(scope="module")
def http(predictor):
    limits = Limits.read(packed().package)
    answers = Answers(predictor, limits=limits, name="tiny", version=1)
    with served.client(answers, raise_server_exceptions=False) as client:
        yield client


def client_of(http):
    """A client whose requests reach the application in this process."""

    def handle(request):
        answer = http.request(
            request.method, request.url.path, content=request.content, headers=request.headers
        )
        return httpx.Response(answer.status_code, content=answer.content)

    return functools.partial(Client, transport=httpx.MockTransport(handle))


def data_set(folder, fields, title=None):
    cells = {column: pa.array([fields.get(column)]) for column in COLUMNS}
    roles = {"id": ["r0"], "label": ["line"], "title": pa.array([title], pa.string())}
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({**roles, **cells}), folder / "records.parquet")
    return folder


def through_training(fields, folder, **_):
    manifest = parse(MANIFEST)
    dataset = Dataset(str(data_set(folder, fields)), manifest)
    assert schema_problems(dataset.schema, manifest) == []
    (raw,) = raws(next(dataset.batches()), manifest, None)["facts"]
    columns = {"columns": COLUMNS}
    return build_modality("facts", "tabular", synthetic.OPTIONS["facts"], columns).kind.decode(raw)


def through_batch(fields, folder, predictor, seen, **_):
    seen.clear()
    found = batch.predict(
        predictor=predictor,
        data_uri=str(data_set(folder, fields)),
        manifest=parse(MANIFEST),
        out=folder / "out.parquet",
    )
    assert found.answered == 1
    return seen[0]


def through_http(fields, http, seen, **_):
    seen.clear()
    if not all(isinstance(v, str | int | float | list | None) for v in fields.values()):
        pytest.skip("JSON has no such value")
    if any(isinstance(v, float) and math.isnan(v) for v in fields.values()):
        pytest.skip("JSON has no NaN")
    answer = http.post("/v1/classify", json={"records": [{"facts": fields}]})
    assert answer.status_code == 200, answer.text
    return seen[0]


def through_client(fields, http, seen, **_):
    seen.clear()
    with client_of(http)("http://testserver") as client:
        client.classify([{"facts": fields}])
    return seen[0]


def through_the_command_line(fields, http, seen, monkeypatch, **_):
    seen.clear()
    try:
        text = json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError):
        pytest.skip("JSON has no such value")
    monkeypatch.setattr(asking, "Client", client_of(http))
    line = ["classify", "--url", "http://testserver", "--fields", f"facts={text}"]
    done = CliRunner().invoke(command_line, line)
    assert done.exit_code == 0, done.output
    return seen[0]


def through_mlflow(fields, predictor, seen, **_):
    seen.clear()
    model = PyfuncModel.__new__(PyfuncModel)
    model._predictor = predictor
    model.predict(pd.DataFrame({"facts": [fields], "text": [math.nan], "image": [None]}))
    return seen[0]


@pytest.mark.parametrize(
    "door",
    [
        through_training,
        through_batch,
        through_http,
        through_client,
        through_the_command_line,
        through_mlflow,
    ],
)
@pytest.mark.parametrize(("fields", "wanted"), CASES)
def test_a_field_means_the_same_through_every_door(
    door, fields, wanted, tmp_path, predictor, http, seen, monkeypatch
):
    found = door(
        fields,
        folder=tmp_path / "set",
        predictor=predictor,
        http=http,
        seen=seen,
        monkeypatch=monkeypatch,
    )
    assert found == DEFAULTS | wanted


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"weight": "7"}, "weight"),
        ({"weight": "heavy"}, "weight"),
        ({"weight": 1e39}, "weight"),
        ({"weight": 10**400}, "weight"),
        ({"weight": [1]}, "weight"),
        ({"colour": ["red"]}, "colour"),
        ({"colour": {"a": 1}}, "colour"),
        ({"tags": 3}, "tags"),
        ({"tags": [["a"]]}, "tags"),
        ({"wieght": 3}, "wieght"),
    ],
)
def test_a_value_of_another_type_is_refused_alike_with_its_field(fields, column, http, predictor):
    body = http.post("/v1/classify", json={"records": [{"facts": fields}]})
    assert body.status_code == 422
    (problem,) = body.json()["problems"]
    with pytest.raises(BadInput) as caught:
        predictor.predict([{"facts": fields}])
    assert problem["field"] == caught.value.field == f"records.0.facts.{column}"
    assert (problem["got"], problem["wanted"]) == (caught.value.got, caught.value.wanted)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize("column", ["weight", "colour", "tags"])
def test_a_number_that_json_lacks_is_refused_with_its_field(word, column, http):
    value = f"[{word}]" if column == "tags" else word
    body = f'{{"records": [{{"facts": {{"{column}": {value}}}}}]}}'
    answer = http.post("/v1/classify", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["field"] == f"records.0.facts.{column}"
    done = CliRunner().invoke(
        command_line, ["classify", "--fields", f'facts={{"{column}": {value}}}']
    )
    assert done.exit_code in (1, 2)
    assert not isinstance(done.exception, ValueError), done.output


@pytest.mark.parametrize("blank", ["", "   ", "\t\n", "\u3000", None])
def test_blank_text_is_no_text(blank, http, predictor, tmp_path, monkeypatch):
    (answer,) = predictor.predict([{"text": blank, "facts": {"weight": 1}}])
    assert answer.modalities == ("facts",)
    body = http.post("/v1/classify", json={"records": [{"text": blank, "facts": {"weight": 1}}]})
    assert body.json()["answers"][0]["modalities"] == ["facts"]
    alone = http.post("/v1/classify", json={"records": [{"text": blank}]})
    assert alone.status_code == 422
    assert "no modality" in alone.json()["problems"][0]["got"]
    manifest = parse(MANIFEST)
    dataset = Dataset(str(data_set(tmp_path / "set", {"weight": 1}, blank)), manifest)
    assert raws(next(dataset.batches()), manifest, None)["text"] == [None]
    if blank is not None:
        monkeypatch.setattr(asking, "Client", client_of(http))
        done = CliRunner().invoke(command_line, ["search", "--text", f"text={blank}"])
        assert done.exit_code == 1
        assert "no modality (text without a value)" in done.output


@pytest.mark.parametrize(
    ("raw", "value", "wanted"),
    [
        ("bytes", b"", None),
        ("bytes", math.nan, None),
        ("bytes", bytearray(b"a"), b"a"),
        ("bytes", memoryview(b"a"), b"a"),
        ("bytes", np.bytes_(b"a"), b"a"),
        ("text", pd.NA, None),
        ("text", np.str_("a b"), "a b"),
        ("fields", None, None),
    ],
)
def test_other_raw_types_follow_the_same_rule(raw, value, wanted):
    assert Reading("m", raw, {})(value) == wanted


@pytest.mark.parametrize(("raw", "value"), [("bytes", "a"), ("text", 3), ("fields", ["a"])])
def test_a_value_of_another_raw_type_is_refused(raw, value):
    with pytest.raises(BadInput, match=r"^m: got"):
        Reading("m", raw, {})(value)


def test_fields_are_absent_where_all_are_empty_and_none_has_a_default():
    plain = {name: {"type": spec["type"]} for name, spec in COLUMNS.items()}
    assert Reading("facts", "fields", plain)({"weight": math.nan, "colour": " "}) is None
    assert Reading("facts", "fields", plain)({}) is None
    assert Reading("facts", "fields", COLUMNS)({}) == DEFAULTS


PICTURE = next(p for p in packed().source.raws["image"] if p)


def _wrapped(data, width=76, end="\n"):
    text = base64.b64encode(data).decode()
    return "".join(text[i : i + width] + end for i in range(0, len(text), width))


@pytest.mark.parametrize(
    "sent",
    [
        _wrapped(PICTURE),
        _wrapped(PICTURE, end="\r\n"),
        base64.b64encode(PICTURE).decode() + "\n",
        base64.urlsafe_b64encode(PICTURE).decode(),
        base64.urlsafe_b64encode(PICTURE).decode().rstrip("="),
        "data:image/png;base64," + base64.b64encode(PICTURE).decode(),
        "DATA:;BASE64," + _wrapped(PICTURE),
        "data:image/png;base64," + base64.b64encode(PICTURE).decode().replace("+", "%2B"),
    ],
)
def test_base64_is_read_as_programs_write_it(sent, http):
    plain = {"image": base64.b64encode(PICTURE).decode()}
    body = http.post("/v1/classify", json={"records": [{"image": sent}, plain]})
    assert body.status_code == 200, body.text
    one, other = body.json()["answers"]
    assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


@pytest.mark.parametrize("sent", ["data:image/png,abc", "A", "AA=AA", "äöü", "A" * 5])
def test_what_is_no_base64_is_refused_with_its_field(sent, http):
    body = http.post("/v1/classify", json={"records": [{"image": sent}]})
    assert body.status_code == 422
    assert body.json()["problems"][0]["field"] == "records.0.image"


def test_the_model_tells_the_type_unit_separator_and_default_of_each_field(http):
    by_name = {m["name"]: m for m in http.get("/v1/model").json()["modalities"]}
    fields = {f["name"]: f for f in by_name["facts"]["fields"]}
    assert [fields[name]["type"] for name in ("colour", "tags", "weight")] == [
        "category", "set", "number",
    ]  # fmt: skip
    assert fields["tags"]["separator"] == ","
    assert set(fields["weight"]) == {
        "name", "type", "unit", "separator", "default", "values", "lowest", "highest",
    }  # fmt: skip
    assert by_name["text"]["fields"] is None
