"""A training task handed to a pod and its result taken back.

Inputs and a user's own parts travel by digest, results by attempt.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from components.config.chosen_parts import chosen_parts
from components.core.errors import UsageError
from components.core.refs import Ref, digest_file, digest_folder, digest_json
from components.exchange.errors import Incomplete
from components.exchange.exchange import JOBS, SPEC, Exchange, split
from components.parts.loading import carry, code_digests, source_digest
from components.parts.own import OWN, is_own
from components.training.spec import TrainSpec


def work_digest(spec: TrainSpec) -> str:
    """SHA-256 of a training task: the spec by content, and the sources of a user's own parts."""
    own = {name: source_digest(family, name, _base(spec)) for family, name in own_parts(spec)}
    return digest_json([spec.digest(), own])


def code(spec: TrainSpec) -> frozenset[str]:
    """SHA-256 of each file of a user's own code that was handed over, and may come back."""
    carried = (spec.features.path / OWN).rglob("*.py")
    return code_digests(own_parts(spec), _base(spec)) | {digest_file(path) for path in carried}


def _base(spec: TrainSpec) -> Path | None:
    return Path(spec.base) if spec.base else None


def prepare(spec: TrainSpec, exchange: Exchange, job: str, pod_uri: str | None = None) -> TrainSpec:
    """Put all that a job reads into the exchange; the spec, last, names it there.

    Args:
        spec: names inputs by local folder.
        exchange: where they go.
        job: name of the job.
        pod_uri: URI of the exchange in pods, if it differs.

    Raises:
        UserError: an input differs from its digest.
        UsageError: a user's own part lies outside the folder of the run's config.
    """
    seen = (pod_uri or exchange.uri).rstrip("/")

    def there(folder: Path, digest: str) -> Ref:
        return Ref(
            uri=seen + exchange.put(folder, digest).removeprefix(exchange.uri), digest=digest
        )

    refs = {name: there(ref.path, ref.digest) for name, ref in spec.inputs.items()}
    with tempfile.TemporaryDirectory() as temporary:
        if named := carry(own_parts(spec), _base(spec), Path(temporary)):
            refs["parts"] = there(Path(temporary), digest_folder(Path(temporary)))
    moved = spec.model_copy(update={**refs, "base": None, **({} if named else {"parts": None})})
    exchange.write_json(f"{JOBS}/{job}/{SPEC}", moved.model_dump(mode="json"))
    return moved


def complete(exchange: Exchange, job: str, preferred: Sequence[str] = ()) -> str:
    """The token of a complete attempt; every result of a job is of the same work.

    Args:
        exchange: where the job wrote.
        job: name of the job.
        preferred: tokens to choose from where one of them is complete, the first one first.

    Raises:
        Incomplete: no attempt is complete.
    """
    found = [attempt.token for attempt in exchange.attempts(job)]
    if not found:
        raise Incomplete(
            f"job {job}: no attempt has left a complete result in {exchange.uri}; "
            "submit the run again"
        )
    return next((token for token in preferred if token in found), found[0])


def opened(out: str) -> tuple[Exchange, str]:
    """The exchange and the name of the job behind ``--out``.

    Raises:
        UsageError: not the URI of a job.
        ExchangeError: the exchange does not exist.
    """
    root, below = split(out)
    if not root or below.count("/") != 1:
        raise UsageError(f"--out: got {out}, wanted EXCHANGE/jobs/JOB")
    exchange = Exchange(root)
    exchange.check()
    return exchange, below.removeprefix(f"{JOBS}/")


def already_done(exchange: Exchange, job: str) -> bool:
    """Whether an earlier attempt has left a complete result."""
    found = exchange.attempts(job)
    if found:
        sys.stderr.write(
            f"attempt {found[0].token} has already finished job {job}; nothing is left to do\n"
        )
    return bool(found)


def own_parts(spec: TrainSpec) -> list[tuple[str, str]]:
    """Family and name of each part of the spec that a user gave by path.

    Kinds and encoders are not among them: the features folder carries its own.
    """
    chosen = chosen_parts(spec.model_dump())
    return sorted({(part.family, part.name) for part in chosen if is_own(part.name)})
