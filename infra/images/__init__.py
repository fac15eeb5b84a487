"""Container images of training, serving and the flow: their locks, their build and their sizes."""

from pathlib import Path

FOLDER = Path(__file__).parent
CHECKOUT = FOLDER.parents[1]

EXTRAS = {
    "train": ("train", "s3"),
    "serve": ("serve", "s3", "postgres"),
    "flow": ("train", "study", "serve", "flow", "kubernetes", "postgres", "s3"),
}
"""Image to the extras of pyproject.toml that it holds."""
EXACT = ("serve-exact", *EXTRAS["serve"][1:])
"""The extras of ``exact.lock``: the serving image for a model whose index is exact."""
WHOLE = ("train", "transformers", *EXTRAS["serve"])
"""The extras of ``whole.lock``: the serving image for any model, with torch and every encoder."""
SHARING = ("train", "flow")
"""The images that begin with the layer of torch."""


def is_torch(distribution: str) -> bool:
    """Whether a distribution is torch or one of its GPU libraries, the common layer of some images.

    >>> [is_torch(name) for name in ("torch", "triton", "nvidia-cublas", "cuda-bindings")]
    [True, True, True, True]
    >>> [is_torch(name) for name in ("torchmetrics", "sympy")]
    [False, False]
    """
    return distribution in {"torch", "triton"} or (
        distribution.startswith(("nvidia-", "cuda-"))
        and distribution != "nvidia-ml-py"  # for BentoML: reads driver metrics
    )
