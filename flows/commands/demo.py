"""``concord demo``: the whole loop on the built-in glyphs, and questions to the served model."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.config import run as configuration
from components.config.home import CHECKOUT, Home, find, writable
from components.core.errors import UserError
from components.registry.promotion import Promotion
from flows import engines
from flows.commands.answer import Answer, table
from flows.commands.run import screen
from flows.display import Display, console
from flows.run import retrain_with
from flows.runs import records as runs
from flows.runs.result import RunResult, from_record
from flows.runs.session import unchanged
from flows.steps.step import Job
from serving.defaults import HOST, PORT

if TYPE_CHECKING:
    from components.parts.contracts import Raw
    from serving.client import Client

CONFIG = CHECKOUT / "conf" / "demo.yaml"
_TOLERANCE = 1e-3
"""Largest difference between a probability of the endpoint and the stored one."""
_K = 10


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question to the endpoint and its outcome."""

    asked: str
    record: str
    answer: str
    agrees: bool


def demo(*, keep: bool) -> Answer:
    """Make the data, run the loop, ask the endpoint."""
    start = time.monotonic()
    engines.quiet()
    home = writable(find())
    config = configuration.load(CONFIG)
    result = _result(home, config)
    questions = _ask(home, config, result, keep=keep)
    seconds = time.monotonic() - start
    wrong = [q for q in questions if not q.agrees]
    rows = [
        [q.asked, q.record, q.answer, "as evaluated" if q.agrees else "DIFFERS"] for q in questions
    ]
    text = "\n".join(
        [
            screen(result),
            "",
            table(rows, ["question", "record", "answer", ""]),
            "",
            f"  {seconds:.0f} s in all",
        ]
    )
    value = {
        "run": result.model_dump(mode="json", by_alias=True),
        "questions": [vars(q) for q in questions],
        "seconds": round(seconds, 1),
    }
    then = (
        f"concord explain {result.run_id} | concord serve | "
        "concord search --text 'text=white chess queen' --target image"
    )
    return Answer(value=value, text=text, then=then, exit_code=int(bool(wrong)))


def _result(home: Home, config: configuration.RunConfig) -> RunResult:
    data = Path(config.data.uri)
    with runs.exclusive(home, wait=True, say=console.print):
        if data.exists() and (record := unchanged(_job(home, config))):
            return from_record(record, nothing_changed=True)
        with engines.started(home) as running:
            if not data.exists():
                from components.glyphs.card import write_accuracies
                from components.glyphs.glyphs import make_glyphs

                with Display() as display:
                    make_glyphs(data, progress=display.show)
                write_accuracies(data)
            return retrain_with(running, CONFIG, _job(home, config), data=None)


def _job(home: Home, config: configuration.RunConfig) -> Job:
    return Job.opened(config, base=CONFIG.parent, home=home)


def _ask(
    home: Home, config: configuration.RunConfig, result: RunResult, *, keep: bool
) -> list[Question]:
    from serving import bentos, process
    from serving.client import Client

    champion = Promotion(home, config.name).champion()
    if champion is None:
        raise UserError(
            f"there is no champion to ask: the verdict was {result.verdict!r} "
            f"({'; '.join(result.reasons)})"
        )
    console.print("[bold]serve[/bold]")
    log = home.engines / "demo-serve.log"
    bento = bentos.bento_of(home, champion)
    port = PORT if keep else engines.free_port()
    served = process.start(
        bento,
        host=HOST,
        port=port,
        version=champion.version,
        log=log,
        digest=champion.package_digest,
    )
    try:
        with Client(served.url) as client:
            return [*_classifications(client, config, result), *_searches(client, config, result)]
    finally:
        if keep:
            console.print(f"  still serving at {served.url} (process {served.process.pid})")
        else:
            process.stop(served)


def _classifications(
    client: "Client", config: configuration.RunConfig, result: RunResult
) -> list[Question]:
    """One test record that has every modality, asked with each subset of them."""
    import pyarrow.parquet as pq

    stored = pq.read_table(
        Path(result.report).with_name("predictions.parquet"), filters=[("split", "=", "test")]
    ).to_pylist()
    subsets = sorted({row["subset"] for row in stored}, key=lambda s: (s.count("+"), s))
    fullest = [row["id"] for row in stored if row["subset"] == subsets[-1]]
    questions = []
    for number, subset in enumerate(subsets):
        record = fullest[number * len(fullest) // len(subsets)]
        want = next(row for row in stored if row["id"] == record and row["subset"] == subset)
        raw = {
            name: value for name, value in _raw(config, record).items() if name in subset.split("+")
        }
        got = client.classify([raw])["answers"][0]
        shares = np.array([got["probabilities"][name] for name in client.model()["classes"]])
        far = float(np.abs(shares - np.array(want["probabilities"])).max())
        agrees = got["label"] == want["predicted"] and far <= _TOLERANCE
        questions.append(
            Question(
                asked=f"classify {subset}",
                record=record,
                answer=f"{got['label']} ({got['confidence']:.2f})",
                agrees=agrees,
            )
        )
    return questions


def _searches(
    client: "Client", config: configuration.RunConfig, result: RunResult
) -> list[Question]:
    """Search images by text, texts by image and images by image among the test records."""
    import pyarrow.parquet as pq

    stored = pq.read_table(
        Path(result.report).with_name("comparisons.parquet"), filters=[("split", "=", "test")]
    ).to_pylist()
    answers = {row["id"]: row["chosen"] for row in stored}
    questions = []
    for number, (by, target) in enumerate(
        [("text", "image"), ("image", "text"), ("image", "image")]
    ):
        record = _with(config, list(answers), {by, target}, number)
        hits = client.search({by: _raw(config, record)[by]}, target=target, k=_K)["hits"]
        ids = [hit["id"] for hit in hits]
        found = (
            f"itself at rank {ids.index(record) + 1}"
            if record in ids
            else f"nearest {ids[0]} ({hits[0]['score']:.2f})"
        )
        agrees = all(hit["predicted"] == answers[hit["id"]] for hit in hits if hit["id"] in answers)
        agrees &= by != target or ids[0] == record
        questions.append(
            Question(asked=f"search {target} by {by}", record=record, answer=found, agrees=agrees)
        )
    return questions


def _with(config: configuration.RunConfig, ids: list[str], wanted: set[str], number: int) -> str:
    start = number * len(ids) // 3
    return next(i for i in ids[start:] if wanted <= _raw(config, i).keys())


def _raw(config: configuration.RunConfig, record: str) -> "dict[str, Raw]":
    """The raw values of one record, read from the data set as a user would."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from components.data.manifest import load_manifest
    from components.data.reader import Dataset, raws

    manifest = load_manifest(config.data.uri, config.data.manifest)
    data = Dataset(config.data.uri, manifest)
    for batch in data.batches():
        mask = pc.equal(pc.cast(batch.column(manifest.id), pa.string()), record)
        if pc.any(mask).as_py():
            values = raws(batch.filter(mask), manifest, data.media())
            return {name: value[0] for name, value in values.items() if value[0] is not None}
    raise UserError(f"record {record!r} is no longer in {config.data.uri}")
