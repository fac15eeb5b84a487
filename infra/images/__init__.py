"""Container images of training, serving and the flow: their locks, their build and their sizes."""

from pathlib import Path

FOLDER = Path(__file__).parent
CHECKOUT = FOLDER.parents[1]

EXTRAS = {
    "train": ("train", "s3"),
    "serve": ("train", "serve", "s3"),
    "flow": ("train", "study", "serve", "flow", "kubernetes", "postgres", "s3"),
}
"""Image to the extras of pyproject.toml that it holds."""


def is_torch(distribution: str) -> bool:
    """Whether a distribution is torch or one of its GPU libraries, the images' common layer.

    >>> [is_torch(name) for name in ("torch", "triton", "nvidia-cublas", "cuda-bindings")]
    [True, True, True, True]
    >>> [is_torch(name) for name in ("torchmetrics", "sympy")]
    [False, False]
    """
    return distribution in {"torch", "triton"} or (
        distribution.startswith(("nvidia-", "cuda-"))
        and distribution != "nvidia-ml-py"  # for BentoML: reads driver metrics
    )
