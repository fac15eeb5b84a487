"""Which views of a data set read the names of classes too."""

from collections.abc import Mapping

from components.core.errors import UserError
from components.features.spec import Modality
from components.parts.contracts import reads_names


def readers(modalities: Mapping[str, Modality]) -> list[tuple[str, str]]:
    """Modality and view of every encoder that reads names too.

    They are dense encoders of texts, and encoders of pictures by an image-text model.
    """
    return [
        (name, view)
        for name, modality in modalities.items()
        for view, encoder in modality.encoders.items()
        if reads_names(encoder, modality.spec.raw)
    ]


def check_readers(labeller: str, modalities: Mapping[str, Modality]) -> None:
    """Refuse a data set in which a labeller that needs names finds no reader of them.

    Raises:
        UserError: there is none.
    """
    if readers(modalities):
        return
    views = ", ".join(view for m in modalities.values() for view in m.encoders)
    raise UserError(
        f"labeller {labeller}: got the views {views}, wanted one that reads the names of classes: a"
        " text view with a dense encoder such as 'minilm', or pictures through an image-text model"
        " (CLIP, SigLIP) by `encoders: [lite, {name: transformers, model: FOLDER}]`; choose"
        " `labeller: soft`, or add such a view under `modalities`"
    )
