"""``concord classify``, ``embed`` and ``search`` of one record.

An endpoint is asked; where none runs, the champion's package answers in this process. Nothing but
the HTTP client is imported as long as an endpoint answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.core.errors import UsageError, UserError
from components.core.names import FUSED
from flows.commands import record as records
from flows.commands.answer import Answer, table
from serving.client import Client, NoEndpoint
from serving.defaults import HITS, URL

if TYPE_CHECKING:
    from flows.commands.direct import Direct

Given = tuple[Sequence[str], Sequence[str], Sequence[str]]
"""The options ``--media``, ``--text`` and ``--fields``."""
_NUMBERS = 4
"""Of each vector, for people."""


def classify(given: Given, url: str | None, model: str | None, version: str | None) -> Answer:
    """The class of one record."""
    record = records.read(*given)
    answer, where = _asked(
        lambda who: who.classify([record]), record, url=url, model=model, version=version
    )
    found = answer["answers"][0]
    top = sorted(found["probabilities"].items(), key=lambda p: -p[1])[:5]
    rows = [[name, f"{share:.3f}"] for name, share in top]
    shown = table(rows, ["class", "probability"])
    if "labels" in found:
        sure = ", ".join(f"{name} ({p:.3f})" for name, p in found["labels"].items())
        shown = f"given: {sure or 'none of the classes'}\n\n{shown}"
    return Answer(value=answer, text=f"{shown}\n\n{where}", then="concord search --help")


def embed(given: Given, url: str | None, model: str | None, version: str | None) -> Answer:
    """The vectors of one record."""
    record = records.read(*given)
    answer, where = _asked(
        lambda who: who.embed([record]), record, url=url, model=model, version=version
    )
    rows = [
        [name, " ".join(f"{x:+.3f}" for x in vector[:_NUMBERS]) + f" … ({len(vector)} numbers)"]
        for name, vector in sorted(answer["embeddings"][0].items())
    ]
    text = f"{table(rows, ['space', 'unit vector'])}\n\n{where}"
    return Answer(value=answer, text=text, then="concord embed --help; --json prints all numbers")


@dataclass(frozen=True, kw_only=True)
class Search:
    """What the options of ``concord search`` ask for.

    Attributes:
        given: the query; nothing where records of the index are named.
        like: ids of records that are wanted too.
        unlike: ids of records that are not.
        where: JSON of a filter.
        target: the modality that is searched, or ``fused``.
        k: hits wanted.
    """

    given: Given = ((), (), ())
    like: Sequence[str] = ()
    unlike: Sequence[str] = ()
    where: str | None = None
    target: str = FUSED
    k: int = HITS

    def query(self) -> dict[str, Any] | None:
        """The record to search by, if one is given; there must be one, or a record of the index."""
        return records.read(*self.given) if any(self.given) or not self.like else None

    def options(self) -> dict[str, Any]:
        """What else ``POST /v1/search`` takes."""
        found: dict[str, Any] = {"target": self.target, "k": self.k}
        for name, ids in (("like", self.like), ("unlike", self.unlike)):
            found |= {name: [{"id": one} for one in ids]} if ids else {}
        if self.where is not None:
            found["filter"] = records.json_object("--filter", self.where, "the JSON of a filter")
        return found


def search(wanted: Search, url: str | None, model: str | None, version: str | None) -> Answer:
    """The nearest records."""
    query, options = wanted.query(), wanted.options()
    answer, where = _asked(
        lambda who: who.search(query, **options),
        query or {}, url=url, model=model, version=version,
    )  # fmt: skip
    rows = [
        [hit["id"], f"{hit['score']:.3f}", _told(hit["label"]), _told(hit.get("predicted"))]
        for hit in answer["hits"]
    ]
    media = any("media" in hit for hit in answer["hits"])
    return Answer(
        value=answer,
        text=f"{table(rows, ['record', 'score', 'label', 'predicted'])}\n\n{where}",
        then=f"previews: {url or URL}/v1/records/ID/media/MODALITY" if media else "concord serve",
    )


def _asked(
    ask: "Callable[[Client | Direct], dict[str, Any]]",
    record: dict[str, Any],
    *,
    url: str | None,
    model: str | None,
    version: str | None,
) -> tuple[dict[str, Any], str]:
    """The answer, and who gave it.

    A version or a model that is named is loaded here; an address that is named must answer.

    Raises:
        UsageError: both an address and a version are named.
        UserError: no endpoint runs and there is no champion, or the request was refused.
    """
    here = model is not None or version is not None
    if here and url is not None:
        raise UsageError("--url asks an endpoint, --model and --version load a package: give one")
    if not here:
        try:
            with Client(url or URL) as client:
                return _of_endpoint(ask, record, client), f"answered by {client.url}"
        except NoEndpoint:
            if url is not None or (model := _champion()) is None:
                raise
    return _directly(ask, record, model, version or "champion")


def _of_endpoint(
    ask: "Callable[[Client | Direct], dict[str, Any]]", record: dict[str, Any], client: Client
) -> dict[str, Any]:
    """The answer of an endpoint; a refusal is explained by what its model takes."""
    if records.has_file(record):
        records.check_files(record, client.model()["modalities"])
    try:
        return ask(client)
    except NoEndpoint:
        raise
    except UserError:
        if record:
            records.check_forms(record, client.model()["modalities"])
        raise


def _directly(
    ask: "Callable[[Client | Direct], dict[str, Any]]",
    record: dict[str, Any],
    model: str | None,
    version: str,
) -> tuple[dict[str, Any], str]:
    from components.config.home import find
    from flows.commands.direct import Direct
    from flows.commands.registry import only_model
    from flows.engines import quiet

    quiet()
    home = find()
    direct = Direct(home, only_model(home, model), version)
    records.check_files(record, direct.model()["modalities"])
    records.check_forms(record, direct.model()["modalities"])
    said = f"answered by {direct.version.model} version {direct.version.version}, loaded here"
    return ask(direct), f"{said}; `concord serve` answers faster"


def _champion() -> str | None:
    """The only model that has a champion here; None where there is none or several."""
    from components.config.home import find

    home = find()
    if home.database is None and not home.root.is_dir():
        return None
    from components.registry.promotion import Promotion
    from components.registry.versions import models

    served = [name for name in models(home) if Promotion(home, name).champion() is not None]
    if len(served) > 1:
        raise UserError(
            f"no endpoint runs at {URL}, and several models have a champion "
            f"({', '.join(served)}); choose one with --model"
        )
    return served[0] if served else None


def _told(label: str | list[str] | None) -> str:
    return ", ".join(label) if isinstance(label, list) else label or ""
