"""Prototypes from class text and examples (H02)."""

import numpy as np

from benchmarks.methods import _real
from benchmarks.methods._claim import Check, Claim, Figures
from components.config.run import ModelConfig, TrainingConfig
from components.parts.labellers.prompts import Config, class_vectors
from components.parts.prototypes import class_vectors as prototypes
from components.parts.prototypes import unit
from components.training.pool import told
from components.training.teaching import untrained

EXAMPLES = (1, 2, 4, 8)
TEMPLATES = Config().templates
Space = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Records ``(n, dim)``, their classes, which are for examples, and texts ``(classes, dim)``."""


def run(seed: int, short: bool) -> Figures:
    """Names of glyphs through the encoder of texts; in the short form clusters beside names."""
    x, truth, train, texts = _clusters(seed) if short else _glyphs(seed)
    rng = np.random.default_rng(seed)
    classes = len(texts)
    order = [rng.permutation(np.flatnonzero(train & (truth == c))) for c in range(classes)]
    asked, own = x[~train & (truth >= 0)], truth[~train & (truth >= 0)]
    found = {"text": float(((asked @ texts.T).argmax(axis=1) == own).mean())}
    last = int(np.bincount(own).argmax())
    for count in EXAMPLES:
        shown = [at[:count] for at in order]
        counts = np.array([len(at) for at in shown])
        means = np.stack([x[at].mean(axis=0) if len(at) else np.zeros(x.shape[1]) for at in shown])
        for name, prior in (("both", 2.0), ("examples", 0.0)):
            vectors = prototypes(texts, means, counts, prior)
            said = (asked @ vectors.T).argmax(axis=1)
            found[f"{name} {count}"] = float((said == own).mean())
            if name == "both":
                some = np.arange(classes) != last
                later = np.empty_like(vectors)  # the class comes after all the others
                later[some] = prototypes(texts[some], means[some], counts[some])
                later[[last]] = prototypes(texts[[last]], means[[last]], counts[[last]])
                again = (asked @ later.T).argmax(axis=1)
                mine = own == last
                found[f"later {count}"] = float((again[mine] == last).mean())
                found[f"from the start {count}"] = float((said[mine] == last).mean())
    return found


def _clusters(seed: int) -> Space:
    """Classes around places that their names tell in part."""
    rng = np.random.default_rng(seed)
    truth = np.arange(600) % 6
    texts = unit(rng.normal(size=(6, 16)))
    places = texts + 0.9 * unit(rng.normal(size=(6, 16)))
    x = unit(places[truth] + 0.5 * rng.normal(size=(600, 16)))
    return x, truth, np.arange(600) < 300, texts


def _glyphs(seed: int) -> Space:
    """Records with a name: those of the training and of the test split."""
    features = _real.encoded("glyphs", "all", seed, training={"seed": 0})
    model = untrained(features, ModelConfig(dim=16), TrainingConfig(device="cpu"), None)
    rows = np.concatenate([features.rows(split, labelled=True) for split in ("train", "test")])
    rows = rows[features.present[rows, features.names.index("text")]]
    asked = [t.replace("{}", name) for name in features.classes for t in TEMPLATES]
    ((x, said),) = told(model, features, rows, asked).values()
    train = features.splits[rows] == "train"
    return x, np.asarray(features.labels)[rows], train, class_vectors(said, len(TEMPLATES))


CLAIM = Claim(
    id="H02",
    says="At 1 to 8 examples per class, top-1 exceeds text alone and examples alone; a class added"
    " later reaches the accuracy it has when present from the start.",
    bed="glyphs, test records with a name, which is read as the names of classes are",
    checks=[
        *(
            Check(
                what=f"top-1 minus the better of text alone and examples alone, {count} examples",
                value=lambda f, n=count: f[f"both {n}"] - max(f["text"], f[f"examples {n}"]),
                above=0.0,
            )
            for count in EXAMPLES
        ),
        Check(
            what="recall of a class added later minus present from the start, 4 examples",
            value=lambda f: f["later 4"] - f["from the start 4"],
            above=-0.01,
        ),
    ],
    direction=lambda f: f["both 1"] > max(f["text"], f["examples 1"]),
    note="No real set has records in the space of its class names with an encoder at hand. The last"
    " check holds by construction, as no class changes another's vector.",
)
