"""The built-in set: the same bytes each time, hard enough, and without leaks."""

import unicodedata
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.core.errors import UsageError, UserError
from components.core.refs import digest_folder
from components.data.manifest import load_manifest
from components.data.reader import Dataset, raws
from components.data.splits import assign
from components.glyphs.card import write_accuracies
from components.glyphs.drawing import FACES, draw_faces
from components.glyphs.glyphs import main, make_glyphs
from components.glyphs.recipe import Recipe, draw_labels, masked, read_recipe, telling_words


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "glyphs"
    make_glyphs(folder)
    return folder


def test_all_named_characters_of_the_regular_face_are_there(glyphs: Path):
    table = pq.read_table(glyphs / "records.parquet")
    assert table.num_rows == 5810
    assert len(set(table["id"].to_pylist())) == 5810
    assert Counter(table["label"].to_pylist())["Braille"] == 256
    counts = Counter(v for v in table["label"].to_pylist() if v is not None)
    assert min(counts.values()) >= Recipe().rare


def test_no_column_gives_the_code_point_away(glyphs: Path):
    manifest = load_manifest(str(glyphs))
    assert not {"id", "group", "label", "face"} & set(manifest.feature_columns)
    table = pq.read_table(glyphs / "records.parquet")
    name = "PLAYING CARD TEN OF DIAMONDS"
    names = {f"u{ord(unicodedata.lookup(name)):05x}": name}
    row = next(r for r in table.to_pylist() if r["id"] in names)
    assert row["text"] is None or set(row["text"].split()) <= set(names[row["id"]].split())


def test_modalities_are_dropped_about_as_the_recipe_says_and_never_all(glyphs: Path):
    manifest = load_manifest(str(glyphs))
    dataset = Dataset(str(glyphs), manifest)
    values = raws(next(dataset.batches(10_000)), manifest, dataset.media())
    share = {m: sum(v is None for v in column) / 5810 for m, column in values.items()}
    assert share["image"] == pytest.approx(0.15, abs=0.03)
    assert share["facts"] == pytest.approx(0.2, abs=0.03)
    assert 0.22 < share["text"] < 0.35  # names that lost every word are missing too
    assert all(any(v is not None for v in row) for row in zip(*values.values(), strict=True))


def test_labelled_draws_are_nested_small_and_of_training_records(glyphs: Path):
    table = pq.read_table(glyphs / "records.parquet")
    manifest = load_manifest(str(glyphs))
    splits = dict(
        zip(
            table["id"].to_pylist(), assign(table["group"].to_pylist(), manifest.split), strict=True
        )
    )
    labels = dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))
    drawn = pq.read_table(glyphs / "labelled.parquet").to_pylist()
    assert {splits[r["id"]] for r in drawn} == {"train"}
    whole = Counter(labels[r["id"]] for r in drawn)
    for seed in range(3):
        assert all(
            r[f"labelled_4_seed{seed}"]
            <= r[f"labelled_25_seed{seed}"]
            <= r[f"labelled_100_seed{seed}"]
            for r in drawn
        )
        shown = Counter(labels[r["id"]] for r in drawn if r[f"labelled_25_seed{seed}"])
        assert all(n == min(25, whole[c] // 2) for c, n in shown.items())
        assert None not in shown


def test_fused_beats_every_single_modality_and_each_is_useful(glyphs: Path):
    scores = write_accuracies(glyphs)
    singles = {m: scores[m] for m in ("image", "text", "facts")}
    for records in ("all", "complete"):
        assert scores["fused"][records] >= max(s[records] for s in singles.values()) + 0.03
    table = pq.read_table(glyphs / "records.parquet")
    counts = Counter(v for v in table["label"].to_pylist() if v is not None)
    chance = 1 / len(counts)  # the labelled draw is near balanced
    assert all(s["present"] > 5 * chance for s in singles.values())
    card = (glyphs / "card.md").read_text()
    assert f"| fused | {scores['fused']['all']:.3f} |" in card
    write_accuracies_again = card.count("## Each modality alone")
    assert write_accuracies_again == 1


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from components.glyphs import glyphs as module

    few = draw_faces()[::20]
    monkeypatch.setattr(module, "draw_faces", lambda *_: few)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_glyphs(tmp_path / name, Recipe(seed=seed, rare=2))
    assert digest_folder(tmp_path / "a") == digest_folder(tmp_path / "b")
    assert digest_folder(tmp_path / "a") != digest_folder(tmp_path / "c")


def test_all_faces_of_a_character_are_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from components.glyphs import glyphs as module

    monkeypatch.setitem(FACES, "all", FACES["all"][6:8])
    both = [g for g in draw_faces("all") if g.code < 0x180]
    monkeypatch.setattr(module, "draw_faces", lambda *_: both)
    make_glyphs(tmp_path / "set", Recipe(faces="all", rare=2))
    table = pq.read_table(tmp_path / "set" / "records.parquet")
    assert len(set(table["id"].to_pylist())) == table.num_rows == len(both)
    assert max(Counter(table["group"].to_pylist()).values()) == 2


def test_telling_words_are_struck_and_others_kept():
    names, labels = ["BIG CAT"] * 4 + ["BIG DOG"] * 4, ["c"] * 4 + ["d"] * 4
    telling = telling_words(names, labels, share=0.6)
    assert telling == {"CAT", "DOG"}
    recipe = Recipe(mask_words=1.0)
    assert masked("BIG CAT", telling, recipe, recipe.generator(0)) == "BIG"


def test_a_class_never_shows_more_than_half_of_its_training_records():
    columns = draw_labels(
        [str(i) for i in range(13)], ["a"] * 9 + ["b"] * 3 + [None], Recipe(labels=(100,), draws=1)
    )
    assert sum(columns["labelled_100_seed0"][:9]) == 4
    assert sum(columns["labelled_100_seed0"][9:12]) == 1
    assert columns["labelled_100_seed0"][12] is False


def test_an_existing_folder_and_wrong_options_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(UserError, match="never overwritten"):
        make_glyphs(tmp_path)
    with pytest.raises(UsageError, match="did you mean 'regular'"):
        make_glyphs(tmp_path / "x", Recipe(faces="regulr"))
    (tmp_path / "params.yaml").write_text("glyphs: {sed: 1}\n")
    assert main([str(tmp_path / "x"), "--params", str(tmp_path / "params.yaml")]) == 2
    assert "did you mean 'seed'" in capsys.readouterr().err
    assert read_recipe(Path(__file__).parents[3] / "params.yaml") == Recipe()
