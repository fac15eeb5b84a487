"""The data stages of ``dvc.yaml`` work from a bare copy of the repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]


def test_every_file_that_a_stage_depends_on_exists():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert list(stages) == ["glyphs", "check"]
    made = {out for stage in stages.values() for out in stage["outs"]}
    for stage in stages.values():
        assert all(dep in made or (ROOT / dep).is_file() for dep in stage["deps"])


@pytest.mark.slow
def test_the_stages_run_once_and_then_have_nothing_to_do(tmp_path: Path):
    for name in ("components", "dvc.yaml", "params.yaml", ".dvcignore"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", tmp_path / ".dvc" / "config")
    environment = os.environ | {
        "DVC_NO_ANALYTICS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def dvc(*arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        ).stdout

    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    dvc("repro")
    assert (tmp_path / "data" / "glyphs-checked" / "summary.json").exists()
    assert "| fused |" in (tmp_path / "data" / "glyphs" / "card.md").read_text()
    assert "Data and pipelines are up to date" in dvc("repro")
