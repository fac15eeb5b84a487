"""A folder of a pretrained model, described from its JSON files without torch.

Source: the layout that ``transformers`` (arXiv:1910.03771) and ``sentence-transformers``
(arXiv:1908.10084) save: ``config.json``, weights in safetensors, and files of the preprocessing.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from components.core.errors import UsageError, UserError, unknown_name
from components.core.refs import digest_file, digest_json
from components.parts.kinds.audio import RATE

_DIGESTED = {".json", ".jinja", ".model", ".safetensors", ".txt"}
_MANY = 8192
"""More tokens than any option asks for."""
_POOLING = {
    "pooling_mode_cls_token": "first",
    "pooling_mode_mean_tokens": "mean",
}


@dataclass(frozen=True, kw_only=True)
class Family:
    """How the models of one ``model_type`` are read.

    Attributes:
        kinds: what they read; one of two towers gives vectors in one space.
        pooling: ``projected`` (the model's own common space), ``first`` (the first token, which
            stands for the whole), ``mean`` (over what is no padding) or ``pooled`` (the model's
            own).
        width: where the configuration has the number of features, and what it is if left out.
    """

    kinds: tuple[str, ...]
    pooling: str
    width: tuple[str, int] = ("hidden_size", 768)


_PICTURE = Family(kinds=("image",), pooling="first")
_TEXT = Family(kinds=("text",), pooling="mean")
_SOUND = Family(kinds=("audio",), pooling="mean")
FAMILIES = {
    "clip": Family(kinds=("image", "text"), pooling="projected", width=("projection_dim", 512)),
    "siglip": Family(
        kinds=("image", "text"), pooling="projected", width=("vision_config.hidden_size", 768)
    ),
    "dinov2": _PICTURE,
    "dinov2_with_registers": _PICTURE,
    "vit": _PICTURE,
    "bert": _TEXT,
    "distilbert": Family(kinds=("text",), pooling="mean", width=("dim", 768)),
    "modernbert": _TEXT,
    "mpnet": _TEXT,
    "roberta": _TEXT,
    "xlm-roberta": _TEXT,
    "audio-spectrogram-transformer": Family(kinds=("audio",), pooling="pooled"),
    "hubert": _SOUND,
    "wav2vec2": _SOUND,
    "wavlm": _SOUND,
}


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """Facts about the model in a folder.

    Attributes:
        folder: where it is.
        model_type: name of the family.
        kinds: kinds that it reads.
        pooling: see ``Family``.
        unit: vectors have unit length.
        dim: number of features.
        side: longest side of a picture that it reads, in pixels; 0 if not given.
        most_tokens: longest text that it reads, by ``sentence-transformers``; None if not given.
    """

    folder: Path
    model_type: str
    kinds: tuple[str, ...]
    pooling: str
    unit: bool
    dim: int
    side: int
    most_tokens: int | None


def located(model: str) -> Path:
    """The folder of a model: the path itself, or where Hugging Face's cache has the name.

    Nothing is downloaded.

    Raises:
        UsageError: neither a folder nor in the cache.
    """
    wanted = "wanted a folder of a model, or the name of one in Hugging Face's cache"
    if not model:
        raise UsageError(f"model: got none, {wanted}")
    if (path := Path(model).expanduser()).is_dir():
        return path.resolve()
    problem = UsageError(
        f"model: got {model!r}, {wanted}; nothing is downloaded here: run `hf download {model}`"
    )
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise problem from None
    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (OSError, ValueError):  # not in the cache, or no name that could be there
        raise problem from None


def described(folder: Path) -> Pretrained:
    """Read the folder's JSON files.

    Raises:
        UserError: a file is missing or damaged, weights are not in safetensors, or the model is of
            a family, rate or pooling that is not read.
    """
    config = _json(folder, "config.json")
    if not list(folder.glob("*.safetensors")):
        raise UserError(
            f"{folder}: got no *.safetensors, wanted weights in that format; other formats may run"
            " code when they are opened"
        )
    model_type = str(config.get("model_type"))
    if model_type not in FAMILIES:
        raise UserError(f"{folder}: {unknown_name('family of models', model_type, FAMILIES)}")
    family = FAMILIES[model_type]
    pooling, unit = _sentences(folder, family.pooling)
    found = _processor(folder)
    if "audio" in family.kinds and (rate := found.get("sampling_rate", RATE)) != RATE:
        raise UserError(f"{folder}: got a model of {rate} samples a second, wanted {RATE}")
    where, default = family.width
    return Pretrained(
        folder=folder,
        model_type=model_type,
        kinds=family.kinds,
        pooling=pooling,
        unit=unit,
        dim=int(_at(config, where, default)),
        side=_side(found.get("size")),
        most_tokens=_most_tokens(folder),
    )


def reads_tokens(folder: Path) -> int:
    """The longest text that the model reads, according to its tokenizer."""
    name = "tokenizer_config.json"
    told = _json(folder, name).get("model_max_length") if (folder / name).is_file() else None
    return int(min(told or _MANY, _MANY))  # one without a limit says 10^30


def digest(folder: Path) -> str:
    """SHA-256 of the weights and of all files that shape how values reach them."""
    own = [p for p in folder.iterdir() if p.suffix in _DIGESTED and p.is_file()]
    files = sorted([*own, *folder.glob("*/config.json")])  # the latter: modules such as `1_Pooling`
    states = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    names = [p.relative_to(folder).as_posix() for p in files]
    return digest_json(dict(zip(names, (_digest(*state) for state in states), strict=True)))


@lru_cache(maxsize=256)
def _digest(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - a changed file is read anew
    return digest_file(Path(path))


def _json(folder: Path, name: str) -> Any:  # noqa: ANN401
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{folder}: got no {name}, wanted the folder of a model as `save_pretrained` writes it"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / name}: wanted a JSON file of a model: {error}") from error


def _processor(folder: Path) -> dict[str, Any]:
    """Options of the preprocessing of pictures or sound, whichever file has them."""
    if (folder / "preprocessor_config.json").is_file():
        options: dict[str, Any] = _json(folder, "preprocessor_config.json")
        return options
    if (folder / "processor_config.json").is_file():
        whole = _json(folder, "processor_config.json")
        return dict(whole.get("image_processor") or whole.get("feature_extractor") or {})
    return {}


def _side(size: Any) -> int:  # noqa: ANN401
    numbers = size.values() if isinstance(size, dict) else [size]
    return max((int(n) for n in numbers if isinstance(n, int | float)), default=0)


def _most_tokens(folder: Path) -> int | None:
    name = "sentence_bert_config.json"
    most = _json(folder, name).get("max_seq_length") if (folder / name).is_file() else None
    return None if most is None else int(most)


def _at(config: dict[str, Any], where: str, default: int) -> Any:  # noqa: ANN401
    """The value at a path such as ``vision_config.hidden_size``."""
    *above, name = where.split(".")
    for key in above:
        config = config.get(key) or {}
    return config.get(name, default)


def _sentences(folder: Path, pooling: str) -> tuple[str, bool]:
    """Pooling, and whether vectors get unit length, by the modules of ``sentence-transformers``.

    Raises:
        UserError: modules that are not read, such as one more layer.
    """
    if not (folder / "modules.json").is_file():
        return pooling, False
    unit = False
    for module in _json(folder, "modules.json"):
        what = module["type"].rpartition(".")[2]
        if what == "Pooling":
            pooling = _pooling(_json(folder, f"{module['path']}/config.json"), folder)
        elif what == "Normalize":
            unit = True
        elif what != "Transformer" or module["path"]:
            raise UserError(
                f"{folder}: got the module {what} in {module['path'] or '.'!r}, wanted Transformer"
                " in the folder itself, then Pooling and Normalize"
            )
    return pooling, unit


def _pooling(config: dict[str, Any], folder: Path) -> str:
    given = config.get("pooling_mode") or [
        key for key, on in config.items() if key.startswith("pooling_mode_") and on
    ]
    names = _POOLING | {"cls": "first", "mean": "mean"}
    chosen = given[0] if isinstance(given, list) and len(given) == 1 else given
    if not isinstance(chosen, str) or chosen not in names:
        raise UserError(f"{folder}: got the pooling {given}, wanted 'cls' or 'mean'")
    return names[chosen]
