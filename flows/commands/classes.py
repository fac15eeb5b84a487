"""``concord classes``: those that a version knows, and a new one without training."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from components.config.home import Home, find, writable
from components.core.commands import concord
from components.core.errors import UsageError
from components.core.files import read_json
from components.core.user import user
from components.data.manifest import load_manifest
from components.parts.contracts import Raw
from components.parts.own import OWN
from components.registry.promotion import Promotion
from components.registry.versions import RegisteredVersion
from flows.commands.answer import Answer
from flows.commands.batch import place_of
from flows.commands.registry import only_model
from flows.runs.records import now

if TYPE_CHECKING:
    from components.prediction.classes import Added


def list_(model: str | None, version: str) -> Answer:
    """The classes of a registered version."""
    name, promotion, chosen = _chosen(find(), model, version)
    classes = read_json(promotion.package_of(chosen) / "model.json")["classes"]
    assert isinstance(classes, list)
    return Answer(
        value={"model": name, "version": chosen.version, "classes": classes},
        text="\n".join(classes) if classes else f"{name} version {chosen.version} has no classes",
        then=concord("classes", "add", "NAME", "--from", "DATA", model=name),
    )


def add(
    class_name: str,
    *,
    data: str | None,
    model: str | None,
    version: str,
    with_name: bool = False,
) -> Answer:
    """Register a version that also knows a class, from exemplars in a data set, its name or both.

    Raises:
        UsageError: the name is to count beside exemplars, and there are none.
    """
    if with_name and data is None:
        raise UsageError(
            "--with-name uses the name in addition to exemplars: give them with `--from DATA`,"
            " or leave --with-name out to add the class from its name alone"
        )
    from components.prediction.classes import MOST, add_class, add_class_by_name, check_name
    from components.prediction.exemplars import exemplars
    from components.prediction.predictor import Predictor
    from flows.engines import quiet

    quiet()
    home = writable(find())
    _, promotion, chosen = _chosen(home, model, version)
    package = promotion.package_of(chosen)
    predictor = Predictor.load(package, verify=False)
    check_name(class_name, predictor.classes)
    records: list[dict[str, Raw]] = []
    left: list[str] = []
    if data is not None:
        uri = place_of(data)
        manifest = load_manifest(uri, None, package / OWN)
        records, left = exemplars(uri, manifest, predictor.modalities, class_name, MOST)
    with tempfile.TemporaryDirectory(dir=home.root) as folder:
        out = Path(folder) / "package"
        added = (
            add_class_by_name(package, class_name, out)
            if data is None
            else add_class(package, class_name, records, out, with_name=with_name)
        )
        registered = promotion.register(
            out,
            package_digest=added.digest,
            run=None,
            modalities={n: m.spec.raw for n, m in predictor.modalities.items()},
            time=now(),
            actor=user(),
            details={"reason": _reason(class_name, added, chosen, with_name)},
        )
    reason = _reason(class_name, added, chosen, with_name)
    return _answer(class_name, reason, added, chosen, registered, left)


def _chosen(
    home: Home, model: str | None, version: str
) -> tuple[str, Promotion, RegisteredVersion]:
    name = only_model(home, model)
    promotion = Promotion(home, name)
    return name, promotion, promotion.versions().named(version)


def _reason(class_name: str, added: "Added", before: RegisteredVersion, with_name: bool) -> str:
    count = f"{added.exemplars} exemplar{'' if added.exemplars == 1 else 's'}"
    count += " and its name" if with_name else ""
    count = count if added.exemplars else "its name alone"
    return f"the class {class_name!r} was added to version {before.version} from {count}"


def _answer(
    class_name: str,
    reason: str,
    added: "Added",
    before: RegisteredVersion,
    after: RegisteredVersion,
    left: list[str],
) -> Answer:
    lines = [
        f"{after.model} version {after.version}: {reason} ({', '.join(added.modalities)})",
        f"  known classes added in the same way got {added.recognised:.0%} of their held-out"
        f" records, and {added.lost:.1%} of the others' records",
        *(
            []
            if added.answered is None
            else [f"  of the exemplars themselves, {added.answered:.0%} now get it"]
        ),
        *(f"  left out: {reason}" for reason in left[:5]),
    ]
    return Answer(
        value={
            "model": after.model,
            "version": after.version,
            "from_version": before.version,
            "class": class_name,
            **asdict(added),
            "left_out": left,
        },
        text="\n".join(lines),
        then=concord("promote", after.version, model=after.model),
    )
