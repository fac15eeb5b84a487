"""What choosing the multilingual encoder is worth: Chinese and Russian texts, both ways.

``python -m benchmarks.other_scripts --data DIR`` runs the steps up to ``evaluate`` on translations
of the descriptions in ``dcss-monsters``, with the encoders that are chosen by script and with those
for texts in Latin script, for each draw of labels. It prints one JSON line for each of these runs:
accuracy on validation records and on held-out labelled ones, and seconds of encoding. No test
record is looked at, and nothing is configured but the encoders.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks._loop import ROOT, walked
from components.config.run import DataConfig, Labels, RunConfig
from components.core.files import read_json
from components.parts.kinds.text import ENCODERS

TEXTS = ("text_zh", "text_ru")
MANIFEST = """\
id: id
target: {column: label, kind: single}
group: group
split: {column: split}
modalities:
"""


def figures(config: RunConfig, title: str) -> dict[str, Any]:
    """What one run reads, all modalities and each alone."""
    run = walked(config, "evaluate", title)
    answers = pq.read_table(run.outputs["evaluate"] / "comparisons.parquet").to_pandas()
    answers = answers[(answers["split"] == "val") & answers["label"].notna()]
    judged = read_json(run.outputs["baselines"] / "baselines.json")["models"]
    assert isinstance(judged, dict), judged
    columns = ["chosen", "committee", *(f"only-{name}" for name in TEXTS)]
    return {
        "n": len(answers),
        "validation": {c: float(np.mean(answers[c] == answers["label"])) for c in columns},
        "folds": {name: judged[f"only-{name}"].get("held_out") for name in TEXTS},
        "encode": run.seconds.get("encode"),
    }


def main() -> None:
    """Run both choices on every draw."""
    from flows import engines

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--draws", nargs="+", default=["25_seed0", "25_seed1", "25_seed2"])
    chosen = parser.parse_args()
    engines.quiet()
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "dataset.yaml"
        lines = [f"  {name}: {{kind: text, column: {name}}}\n" for name in TEXTS]
        manifest.write_text(MANIFEST + "".join(lines))
        for draw in chosen.draws:
            data = DataConfig(
                uri=str(chosen.data / "dcss-monsters"),
                manifest=str(manifest),
                labels=Labels(file="labelled.parquet", column=f"labelled_{draw}"),
            )
            for title, named in (("by script", {}), ("for Latin", {"encoders": [*ENCODERS]})):
                options = {name: named for name in TEXTS if named}
                config = RunConfig(name="other-scripts", data=data, modalities=options)
                line = {"draw": draw, "encoders": title, **figures(config, f"{draw} {title}")}
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
