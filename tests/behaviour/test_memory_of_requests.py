"""What a request would take to decode is known from headers, limited, and refused undecoded."""

import base64
import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import psutil
import pytest
from PIL import Image, ImageFile

from components.config.run import ServingConfig
from components.core.errors import UserError
from components.parts.contracts import cost
from components.parts.kinds import image
from components.prediction.predictor import Predictor
from serving.bento import build as build_bento
from serving.client import Client
from serving.interface.limits import Limits
from serving.live.answers import Answers
from serving.live.budget import Budget, Busy, Cost, TooMuch
from serving.process import start, stop
from tests import served
from tests.packaged import MAX_BATCH, packed
from tests.serving.conftest import free_port

MB = 1_000_000


def saved(picture, form, **options):
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def bomb(width=10_000, height=5_000):
    """Fifty million pixels of a palette with a transparent colour, in 49 kB."""
    picture = Image.new("P", (width, height))
    picture.putpalette(bytes(range(256)) * 3)
    return saved(picture, "PNG", transparency=0)


def asked(raws):
    return {"records": [{"image": base64.b64encode(raw).decode()} for raw in raws]}


@pytest.fixture(scope="module")
def client():
    limits = replace(Limits.read(packed().package), serving=ServingConfig())
    answers = Answers(Predictor.load(packed().package), limits=limits, name="tiny", version=1)
    with served.client(answers) as made:
        yield made


@pytest.fixture
def decoded(monkeypatch):
    """Sizes of the pictures whose pixels were decoded."""
    sizes, load = [], ImageFile.ImageFile.load

    def counted(self):
        sizes.append(self.size)
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    return sizes


def test_64_bombs_are_refused_before_one_is_decoded(client, decoded):
    response = client.post("/v1/classify", json=asked([bomb()] * 64))
    assert response.status_code == 413
    (problem,) = response.json()["problems"]
    assert problem["field"] == "records.0.image"
    assert problem["got"] == "a value that takes 500 MB to decode"
    assert "at most 128 MB" in problem["wanted"]
    assert decoded == []


def test_many_values_that_are_allowed_alone_are_refused_together(client, decoded):
    response = client.post("/v1/classify", json=asked([bomb(2000, 1000)] * 13))
    assert response.status_code == 413
    (problem,) = response.json()["problems"]
    assert (problem["field"], problem["got"]) == (
        "records",
        "13 values that take 260 MB to decode",
    )
    assert decoded == []
    assert client.post("/v1/classify", json=asked([bomb(2000, 1000)] * 2)).status_code == 200
    query = {"query": asked([bomb()])["records"][0], "target": "fused"}
    response = client.post("/v1/search", json=query)
    assert (response.status_code, response.json()["problems"][0]["field"]) == (413, "query.image")


def test_a_photo_of_50_megapixels_is_answered_since_its_draft_is_small(client):
    photo = saved(Image.new("RGB", (8160, 6120), "red"), "JPEG")
    assert client.post("/v1/classify", json=asked([photo] * 3)).status_code == 200


def test_a_header_that_breaks_a_limit_is_refused_with_its_field(client):
    response = client.post("/v1/classify", json=asked([bomb(10, 10), b"not a picture"]))
    assert response.status_code == 422
    assert response.json()["problems"][0]["field"] == "records.1.image"


def test_the_limits_are_told(client):
    info = client.get("/v1/model").json()
    assert (info["max_value_mb"], info["max_request_mb"]) == (128, 256)
    answers = client.get("/openapi.json").json()["paths"]["/v1/classify"]["post"]["responses"]
    assert {"413", "422", "503"} <= set(answers)


def test_a_package_from_before_has_the_default_limits(tmp_path):
    package = tmp_path / "package"
    shutil.copytree(packed().package, package)
    config = (package / "config.yaml").read_text()
    lines = [line for line in config.splitlines() if "_mb:" not in line]
    assert len(lines) == len(config.splitlines()) - 3
    (package / "config.yaml").write_text("\n".join(lines))
    assert Limits.read(package).serving == ServingConfig(max_batch=MAX_BATCH)


def costs(*megabytes, seconds=0.0):
    return {n: Cost(memory=m * MB, seconds=seconds) for n, m in zip("abc", megabytes, strict=False)}


SMALL = ServingConfig(max_value_mb=4, max_request_mb=6, max_total_mb=10)


def test_each_limit_is_checked_and_the_first_value_named():
    budget = Budget(SMALL)
    assert budget.checked(costs(4, 2), "records") == 6 * MB
    with pytest.raises(TooMuch, match=r"^b: got a value that takes 5 MB"):
        budget.checked(costs(1, 5), "records")
    with pytest.raises(TooMuch, match=r"^records: got 2 values that take 7 MB"):
        budget.checked(costs(4, 3), "records")


def test_what_could_not_be_answered_in_time_is_refused_before_it_is_computed():
    budget = Budget(SMALL)
    assert budget.checked(costs(1, 1, seconds=29), "records") == 2 * MB
    with pytest.raises(TooMuch, match=r"^a: got a value that takes about 61 s.* shorten it"):
        budget.checked(costs(1, 1, seconds=61), "records")
    with pytest.raises(TooMuch, match=r"^records: got values that take about 62 s.*several"):
        budget.checked(costs(1, 1, seconds=31), "records")


def test_requests_wait_for_each_other_and_all_are_served():
    budget, held, most = Budget(SMALL), [0], [0]

    async def one():
        async with budget.hold(4 * MB):
            held[0] += 4
            most[0] = max(most[0], held[0])
            await anyio.sleep(0.01)
            held[0] -= 4

    async def all_of_them():
        async with anyio.create_task_group() as group:
            for _ in range(9):
                group.start_soon(one)

    anyio.run(all_of_them)
    assert (held, most) == ([0], [8])


def test_who_waits_too_long_is_refused_and_takes_nothing():
    budget = Budget(SMALL, patience=0.02)

    async def crowded():
        async with budget.hold(6 * MB):
            with pytest.raises(Busy):
                async with budget.hold(6 * MB):
                    pytest.fail("there was no room")
        async with budget.hold(10 * MB):
            return "all is free again"

    assert anyio.run(crowded)


def test_busy_is_told_with_the_time_to_ask_again(monkeypatch, client):
    monkeypatch.setattr(Budget, "hold", lambda *_: _Refuses())
    response = client.post("/v1/classify", json=asked([bomb(10, 10)]))
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0


class _Refuses:
    async def __aenter__(self):
        raise Busy

    async def __aexit__(self, *_):
        pass


@pytest.mark.parametrize("limits", [(2, 1, 3), (1, 3, 2)])
def test_limits_that_contradict_each_other_are_refused(limits):
    names = ("max_value_mb", "max_request_mb", "max_total_mb")
    with pytest.raises(ValueError, match="none smaller than the one before"):
        ServingConfig(**dict(zip(names, limits, strict=True)))


def test_a_kind_that_tells_no_cost_costs_its_bytes():
    class Plain:
        pass

    assert cost(Plain(), b"12345") == 5
    assert cost(Plain(), "text") == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("PNG", "P", {"transparency": 0}),
        ("PNG", "RGBA", {}),
        ("PNG", "I;16", {}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
        ("JPEG", "CMYK", {}),
        ("WEBP", "RGBA", {"lossless": True, "method": 0}),
        ("TIFF", "F", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", "RGBA", {"compression": "tiff_lzw", "strip_size": 10**9}),
        ("AVIF", "RGBA", {"speed": 10, "subsampling": "4:4:4"}),
        ("JPEG2000", "RGBA", {}),
        ("GIF", "P", {}),
    ],
)
def test_decoding_takes_no_more_memory_than_was_told(form, mode, options):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (40, 50), dtype=np.uint8)).resize((2500, 2000))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(noise).astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(np.asarray(noise).astype(np.float32) / 255)
    else:
        picture = noise.convert("RGB").convert(mode)
    raw = saved(picture, form, **options)
    kind = image.build(image.Config(max_bytes=10**9), name="image", columns={})
    kind.decode(saved(Image.new("RGB", (8, 8)), form))  # what is loaded once
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = peak()
    kind.decode(raw)
    assert peak() - before <= kind.cost(raw) + 8 * MB


def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.slow
def test_a_served_endpoint_stays_small_under_65_bombs_at_once(tmp_path):
    bento = build_bento(packed().package, tmp_path / ".concord" / "out")
    endpoint = start(
        bento, host="localhost", port=free_port(), version=1, log=tmp_path / "serve.log"
    )
    raws = [bomb()] * MAX_BATCH

    def attack(_):
        with Client(endpoint.url) as client, pytest.raises(UserError, match="MB to decode"):
            client.classify([{"image": raw} for raw in raws])
        return memory_of(endpoint)

    try:
        with Client(endpoint.url) as client:
            client.classify([{"image": saved(Image.new("RGB", (9, 9)), "PNG")}])
        before = memory_of(endpoint)
        with ThreadPoolExecutor(13) as pool:
            assert max(pool.map(attack, range(13))) - before < 100 * MB
    finally:
        stop(endpoint)


def memory_of(endpoint):
    root = psutil.Process(endpoint.process.pid)
    return sum(p.memory_info().rss for p in [root, *root.children(recursive=True)])
