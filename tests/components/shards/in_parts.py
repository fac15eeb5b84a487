"""Plans over a small data set, all their parts run one after the other, and joined."""

from components.core.refs import Ref, digest_folder
from components.prediction.block import BLOCK
from components.shards.accounting import accounted, folders, results
from components.shards.join import join_features
from components.shards.plan import EncodePlan
from components.shards.work import run_index
from tests import synthetic

RECORDS = 240
JOB = "job"


def ref(path):
    """A folder by its digest."""
    return Ref(uri=str(path), digest=digest_folder(path))


def encode_plan(data, shards, chunk=BLOCK):
    """Encode the data set in so many parts."""
    return EncodePlan(
        accepted=ref(data / "accepted"),
        data=ref(data / "data"),
        modalities=synthetic.OPTIONS,
        shards=shards,
        chunk=chunk,
    )


def run_all(spec, exchange, place, attempt="uid"):
    """Run each index in a cache of its own."""
    return [
        run_index(
            spec, index, exchange=exchange, job=JOB, attempt=attempt, cache=place / f"cache{index}"
        )
        for index in range(len(spec.parts))
    ]


def joined(spec, exchange, data, place):
    """The features folder of all parts."""
    chunks = accounted(spec, results(exchange, JOB, {}, place / "scratch"))
    out = place / "joined"
    out.mkdir()
    copies = folders(exchange, JOB, chunks, place / "scratch")
    join_features(accepted=data / "accepted", modalities=synthetic.OPTIONS, chunks=copies, out=out)
    assert not list((place / "scratch").iterdir()), "a chunk's copy was left"
    return out
