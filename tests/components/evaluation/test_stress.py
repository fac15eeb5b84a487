"""Raw values are made worse as told, more so with severity, and the fall is that of the figure."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.core.errors import UserError
from components.evaluation import perturbations as worse
from components.evaluation.stress import stress
from components.parts.targets.single import Config, build

AROUND = worse.Around(attributes=["red", "round", "small"], topic=["other", "words"] * 20)


@pytest.mark.parametrize("name", sorted(worse.OF_TEXT))
@given(text=st.text("abc ÄÖ.-", min_size=1), severity=st.sampled_from(worse.SEVERITIES))
def test_every_text_stays_a_text_and_the_same_seed_gives_the_same(name, text, severity):
    change = worse.OF_TEXT[name]
    found = [change(text, severity, AROUND, np.random.default_rng(3)) for _ in range(2)]
    assert found[0] == found[1]
    assert bool(found[0].strip()) or not text.strip()


def test_attributes_are_inserted_and_no_word_is_lost():
    text = "a cat on a mat"
    found = worse.insertion(text, 2, AROUND, np.random.default_rng(0)).split()
    assert sorted(found) == sorted([*text.split(), "red", "round", "small"])


def test_neutral_is_as_long_as_dilution_and_says_nothing_new():
    text, rng = "a cat on a mat", np.random.default_rng(0)
    diluted, neutral = (f(text, 2, AROUND, rng) for f in (worse.dilution, worse.neutral))
    assert len(diluted.split()) == len(neutral.split()) == 5 + 16
    assert set(neutral.split()) == set(text.split())


def test_the_topic_of_a_text_is_the_nearest_other_text():
    texts = ["red wool hat", "blue wool hat warm", "green tree"]
    around = worse.surroundings([{"t": text} for text in texts], "t")
    assert around[0].topic == ["blue", "wool", "hat", "warm"]
    assert around[2].topic == []


def test_blur_takes_detail_away_with_severity():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, "PNG")
    spread = [
        np.asarray(Image.open(io.BytesIO(worse.blur(data.getvalue(), s, None)))).std()
        for s in worse.SEVERITIES
    ]
    assert noise.std() > spread[0] > spread[1] > spread[2]


def test_clipping_flattens_peaks_with_severity():
    soundfile = pytest.importorskip("soundfile")
    data = io.BytesIO()
    soundfile.write(data, np.sin(np.linspace(0, 60, 4000)), 16_000, format="WAV")
    flat = []
    for severity in worse.SEVERITIES:
        samples, _ = soundfile.read(io.BytesIO(worse.clipping(data.getvalue(), severity, None)))
        flat.append((np.abs(samples) > 0.99).mean())
    assert 0.05 < flat[0] < flat[1] < flat[2]


def test_the_fall_is_the_share_of_the_figure_that_is_lost():
    target = build(Config(), classes=["long", "short"])
    short = [{"text": f"k{n % 5} two"} for n in range(10)]
    records = [*short, *({"text": f"m{n} three four five six"} for n in range(10))]

    def by_length(given):
        return np.array([int(len(r["text"].split()) < 4) for r in given])

    rows = stress(records, by_length(records), by_length, target, {"text": "text"})
    fall = {(row.perturbation, row.severity): row.fall for row in rows}
    assert fall["dilution", 1] == pytest.approx(0.5)
    assert fall["typos", 3] == 0.0
    assert not any(row.perturbation == "insertion" for row in rows)


def test_records_without_anything_to_make_worse_are_refused():
    target = build(Config(), classes=["a", "b"])
    with pytest.raises(UserError, match="--stress"):
        stress([{}], np.zeros(1, int), lambda _: np.zeros(1, int), target, {"facts": "tabular"})


def test_a_modality_that_no_record_has_is_not_shown_as_one_that_lasts():
    target = build(Config(), classes=["a", "b"])
    records = [{"t": "a few words", "gone": None}, {"t": "and others"}]
    kinds = {"t": "text", "gone": "text", "never": "text"}
    rows = stress(records, np.zeros(2, int), lambda _: np.zeros(2, int), target, kinds)
    assert {row.modality for row in rows} == {"t"}
