"""The report is self-contained, shows pictures, is accessible, and escapes what data holds."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.evaluation import charts
from components.evaluation.metrics import IntervalFigures
from components.evaluation.previews import medium
from components.model.calibration import reliability
from tests.evaluated import one_thread, prepare

HOSTILE = "<script>alert('x')</script> \"quoted\" & {{ 7*7 }}"


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run whose class, record id, texts and validation warning contain markup."""
    root = tmp_path_factory.mktemp("report")
    with one_thread():
        run = prepare(root, n=160)
        folder = root / "features"
        meta = json.loads((folder / "features.json").read_text())
        meta["classes"] = [HOSTILE if c == "line" else c for c in meta["classes"]]
        (folder / "features.json").write_text(json.dumps(meta))
        for name in ("records", "previews"):
            rows = pq.read_table(folder / f"{name}.parquet")
            columns = {c: rows[c].to_pylist() for c in rows.column_names}
            columns["id"] = [f"{i}{HOSTILE}" for i in columns["id"]]
            if name == "previews":
                columns["text"] = [t and t + HOSTILE for t in columns["text"]]
            pq.write_table(pa.table(columns, schema=rows.schema), folder / f"{name}.parquet")
        pseudo = pq.read_table(root / "pseudo" / "pseudo.parquet").to_pylist()
        pseudo = [{**r, "id": r["id"] + HOSTILE, "reason": r["reason"] and HOSTILE} for r in pseudo]
        pq.write_table(pa.Table.from_pylist(pseudo), root / "pseudo" / "pseudo.parquet")
        summary = json.loads((root / "accepted" / "summary.json").read_text())
        (root / "accepted" / "summary.json").write_text(
            json.dumps({**summary, "warnings": [HOSTILE]})
        )
        return (run.evaluate(root / "out") / "report.html").read_text()


def test_names_from_the_data_are_words_not_markup(hostile):
    page = _Page(hostile)
    assert not page.all("script")
    assert "<script" not in hostile
    assert "{{" in hostile  # shown as it is, not computed
    assert any("alert('x')" in t for t in page.text)
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]


def test_nothing_is_loaded_from_elsewhere(hostile):
    page = _Page(hostile)
    places = [attrs.get(k, "") for _, attrs in page.tags for k in ("src", "href") if k in attrs]
    assert places
    assert all(p.startswith(("data:image/", "#")) for p in places)
    assert "url(" not in hostile
    assert not page.all("link")


def test_it_can_be_read_aloud(hostile):
    page = _Page(hostile)
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert all(i.get("alt") for i in page.all("img"))
    assert all(s.get("aria-label") for s in page.all("svg"))
    assert all(t.get("scope") in ("col", "row") for t in page.all("th"))
    headings = " ".join(re.findall(r"<h2>(.*?)</h2>", hostile))
    for words in (
        "Models",
        "missing",
        "Search",
        "confidence",
        "mix up",
        "Pseudo-labels",
        "Data and labels",
    ):
        assert words in headings
    ids = {s.get("id") for s in page.all("section")}
    assert {a["href"].removeprefix("#") for a in page.all("a")} <= ids


def test_it_says_what_reads_each_modality(hostile):
    rows = re.findall(r'<tr><th scope="row">text</th><td>text</td><td>(.*?)</td>', hostile)
    assert rows == ["hashing"]


def test_accuracy_by_share_of_answered_records_is_drawn(hostile):
    assert hostile.count('class="curve"') == 1
    assert "always answers" in hostile  # no training records are kept, so no threshold is known


def test_pictures_of_queries_hits_and_pseudo_labels_are_inside(hostile):
    assert len(_Page(hostile).all("img")) > 40


def test_only_picture_formats_become_pictures():
    assert "<img" not in medium(b"<svg onload=alert(1)>", "application/octet-stream", "x")
    assert 'src="data:image/png;base64,' in medium(b"\x89PNG\r\n", "image/png", "x")
    assert "&lt;b&gt;" in medium(b"GIF89a", "image/gif", "<b>")
    assert "<audio controls" in medium(b"RIFF", "audio/wav", "x")


def test_many_classes_are_drawn_up_to_a_hundred_and_added_up_beyond():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 3, (150, 150))
    names = [f"class {i}" for i in range(150)]
    merged, shown = charts.largest_classes(counts, names)
    assert merged.sum() == counts.sum()
    assert merged.shape == (100, 100)
    assert shown[-1] == "51 others"
    assert set(shown[:-1]) == {
        names[i] for i in np.argsort(-counts.sum(axis=1), kind="stable")[:99]
    }
    same, all_names = charts.largest_classes(counts[:50, :50], names[:50])
    assert same is not None
    assert all_names == names[:50]
    drawn = charts.confusion_heat_map(np.diag(np.ones(48, dtype=int)), names[:48])
    assert drawn.count('class="right"') == 48
    assert 'class="wrong"' not in drawn


def test_charts_escape_names():
    drawn = charts.confusion_heat_map(np.array([[1, 2], [0, 3]]), [HOSTILE, "b"])
    assert "<script" not in drawn
    plot = charts.interval_plot([(HOSTILE, IntervalFigures(difference=0.1, low=0.05, high=0.15))])
    assert "<script" not in plot
    assert 'class="gain"' in plot


def test_the_reliability_diagram_draws_one_bar_per_filled_bin():
    p = np.array([[0.9, 0.1], [0.92, 0.08], [0.6, 0.4]])
    found = reliability(p, np.array([0, 1, 0]))
    assert charts.reliability_diagram(found, 0.1).count('class="bar"') == 2
