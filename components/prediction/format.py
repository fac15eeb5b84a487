"""The format of a model package: the names of its files, and the check of them against its list.

Besides the files of a model folder (`components.model.storage`) a package holds
``calibration.json``, perhaps ``thresholds.json``, ``metrics.json``, ``config.yaml``, ``card.md``,
the folder ``index`` and ``files.json``, which lists every other file with its digest.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from components.core.errors import UserError
from components.core.refs import digest_file, digest_listing, file_digests
from components.model.listing import FILES, check_code, check_file, read_files

CALIBRATION, METRICS, CONFIG, CARD = "calibration.json", "metrics.json", "config.yaml", "card.md"
THRESHOLDS = "thresholds.json"
"""Class to the least probability at which it is given, of a target with sets of classes."""
INDEX = "index"
RECORDS, PRESENT, PREVIEWS = "ids.parquet", "present.npy", "previews.parquet"
"""Files in the folder ``index``; each has one row for each record, in the same order."""
PREVIEW_ROWS = 512
"""Records in a row group of the previews: one preview is read without the others."""


def digests(folder: Path) -> dict[str, str]:
    """Relative path to SHA-256 of every file of a package except the list itself."""
    return file_digests(folder, exclude={FILES})


def check_package(package: Path, verify: bool = True, wanted: str | None = None) -> str:
    """Compare a package with its list, and the list with a digest, and return the digest.

    Whoever can change a file can change the list beside it, so only a digest from elsewhere shows
    that a package is the one that was registered.

    Args:
        package: its folder.
        verify: compare every file; else only code, and that the others exist.
        wanted: the digest that the package must have, from the ledger.

    Raises:
        UserError: not a package, one of another digest, a file that is missing or differs, or code
            that is not listed.
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
    # Without reading everything once more; files that are not listed do not count.
    digest = digest_listing({**listed, FILES: own})
    if wanted is not None and digest != wanted:
        raise UserError(
            f"model package {package} has digest {digest[:12]}, wanted {wanted[:12]}: it is not "
            "the package that was registered; build or fetch it again"
        )
    for name in listed:
        if not (package / name).is_file():
            raise UserError(
                f"model package {package}: {name} is missing; build or fetch the package again"
            )
    if verify:
        with ThreadPoolExecutor() as pool:  # a digest is computed beside others
            list(pool.map(partial(check_file, package), listed, listed.values()))
    check_code(package)
    return digest
