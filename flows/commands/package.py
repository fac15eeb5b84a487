"""``concord package``: a registered version as a Bento and as the build context of an image."""

import shlex
import shutil
from pathlib import Path

from components.config.home import Home, find
from components.core.errors import UsageError, UserError
from components.core.files import link, written_aside
from components.registry.promotion import Promotion, no_champion
from components.registry.versions import RegisteredVersion, models
from flows.commands.answer import Answer
from flows.commands.registry import only_model


def package(named: str, *, model: str | None, out: Path) -> Answer:
    """Write ``OUT/bento`` and ``OUT/image``.

    Args:
        named: a registered model, whose champion is meant, or a version.
        model: the registered model of the version; needed if there are several.
        out: folder to make.
    """
    from infra.images.context import write
    from serving.bento import libraries
    from serving.bentos import bento_of

    if out.exists():
        raise UsageError(f"--out: {out} exists already; give a folder that does not")
    home = find()
    version = _version(home, named, model)
    package = Promotion(home, version.model).package_of(version)
    with written_aside(out) as aside:
        shutil.copytree(bento_of(home, version), aside / "bento", copy_function=link)
        (aside / "image").mkdir()
        write(package, aside / "image", version.version, libraries(package))
    image = f"{version.model}:{version.version}"
    value = {
        "model": version.model,
        "version": version.version,
        "package_digest": version.package_digest,
        "bento": str(out / "bento"),
        "image": str(out / "image"),
    }
    text = (
        f"{version.model} version {version.version}: a Bento in {out / 'bento'}, "
        f"the build context of an image in {out / 'image'}"
    )
    build = shlex.join(["docker", "build", "--tag", image, str(out / "image")])
    return Answer(value=value, text=text, then=build)


def _version(home: Home, named: str, model: str | None) -> RegisteredVersion:
    """The champion of a model of that name, else a version."""
    if model is None and named in models(home):
        champion = Promotion(home, named).champion()
        if champion is None:
            raise UserError(no_champion(named))
        return champion
    return Promotion(home, only_model(home, model)).versions().named(named)
