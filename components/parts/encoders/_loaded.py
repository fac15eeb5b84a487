"""Classes of ``transformers`` from a local folder."""

import contextlib
from collections.abc import Iterator
from typing import Any

from components.core.errors import UserError
from components.parts.encoders._pretrained import Pretrained


def loaded(model: Pretrained, name: str, **more: object) -> Any:  # noqa: ANN401
    """A class of ``transformers`` from the folder: no download, no code of the model's own."""
    import transformers

    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet():
            return getattr(transformers, name).from_pretrained(str(model.folder), **safe, **more)
    except (OSError, ValueError, ImportError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UserError(f"{model.folder}: transformers cannot load it ({name}): {first}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no advice to install more."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
