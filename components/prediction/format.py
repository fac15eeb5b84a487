"""The format of a model package: the names of its files, and the check of them against its list.

Besides the files of a model folder (`components.model.network`) a package holds
``calibration.json``, ``metrics.json``, ``config.yaml``, ``card.md``, the folder ``index`` and
``files.json``, which lists every other file with its digest.
"""

from pathlib import Path

from components.core.errors import UserError
from components.core.refs import digest_file, digest_listing, file_digests
from components.model.listing import FILES, check_code, check_file, read_files

CALIBRATION, METRICS, CONFIG, CARD = "calibration.json", "metrics.json", "config.yaml", "card.md"
INDEX = "index"
RECORDS, PRESENT, PREVIEWS = "ids.parquet", "present.npy", "previews.parquet"
"""Files in the folder ``index``; each has one row for each record, in the same order."""
PREVIEW_ROWS = 512
"""Records in a row group of the previews: one preview is read without the others."""


def digests(folder: Path) -> dict[str, str]:
    """Relative path to SHA-256 of every file of a package except the list itself."""
    return file_digests(folder, exclude={FILES})


def check_package(package: Path, verify: bool = True) -> str:
    """Compare a package with its list and return its digest.

    Args:
        package: its folder.
        verify: compare every file; else only code, and that the others exist.

    Raises:
        UserError: not a package, a file that is missing or differs, or code that is not listed.
    """
    try:
        listed = read_files(package)
        own = digest_file(package / FILES)
    except FileNotFoundError as error:
        raise UserError(
            f"{package} is not a model package: {FILES} is missing; name one that a run has written"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"model package {package}: {FILES} is damaged ({error});"
            " build or fetch the package again"
        ) from error
    for name, wanted in listed.items():
        if not (package / name).is_file():
            raise UserError(
                f"model package {package}: {name} is missing; build or fetch the package again"
            )
        if verify:
            check_file(package, name, wanted)
    check_code(package)
    # Without reading everything once more; files that are not listed do not count.
    return digest_listing({**listed, FILES: own})
