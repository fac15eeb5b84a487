"""A training task handed to a pod: inputs and a user's own parts by digest, the result by attempt."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from components.core.errors import UsageError
from components.core.refs import Ref, digest_folder, digest_json
from components.exchange.exchange import JOBS, SPEC, Exchange, Incomplete, split
from components.parts.loading import is_own, source, source_digest
from components.training.spec import TrainSpec


def work_digest(spec: TrainSpec) -> str:
    """SHA-256 of all that shapes a training result: the spec by content, and the user's own parts."""
    base = Path(spec.base) if spec.base else None
    return digest_json(
        [spec.digest(), {name: source_digest(kind, name, base) for kind, name in own_parts(spec)}]
    )


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
        if named := _copied_parts(spec, Path(temporary)):
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
    """Kind and name of each part that a user gave by path."""
    named = [("losses", name) for name in sorted(spec.losses)]
    named.append(("fusion", spec.model.fusion.name))
    return [(family, name) for family, name in named if is_own(name)]


def _copied_parts(spec: TrainSpec, folder: Path) -> bool:
    """Copy a user's own parts under their names; returns whether there are any."""
    base = Path(spec.base) if spec.base else Path.cwd()
    for kind, name in own_parts(spec):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UsageError(
                f"{kind} {name!r}: got a path that leaves the folder of the config, wanted one inside {base}"
            )
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source(kind, name, base), target)
    return bool(own_parts(spec))
