"""Which views of a data set read the names of classes too."""

from collections.abc import Mapping

from components.features.modality import Modality
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
