"""The command line: frozen verbs, quick help, one JSON object, exit codes, no tracebacks."""

import json
import subprocess
import sys

import pytest
from typer.main import get_command

from flows.cli import app

VERBS = [
    "canary", "classes add", "classes list", "classify", "data check", "data glyphs",
    "data import", "data pair", "data xor", "demo", "doctor", "embed", "evaluate", "explain",
    "feedback export", "feedback list", "ledger", "methods", "package", "plan", "promote",
    "rollback", "run", "runs cancel", "runs clean", "runs list", "search", "serve", "sweep",
    "token list", "token new", "token revoke", "up",
]  # fmt: skip


def concord(*arguments, home, **more):
    environment = {"CONCORD_HOME": str(home), "PATH": "/usr/bin:/bin", "HOME": str(home)}
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=60, **more
    )


def all_commands():
    root = get_command(app)
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        yield from (
            ((f"{name} {sub}", c) for sub, c in inner.items()) if inner else [(name, command)]
        )


def test_the_verbs_are_these_and_no_others():
    assert sorted(name for name, _ in COMMANDS) == VERBS


COMMANDS = list(all_commands())


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_takes_json_and_shows_an_example(name, command):
    assert any("--json" in p.opts for p in command.params)
    assert f"Example: concord {name}" in command.help


def test_help_imports_nothing_heavy():
    heavy = ("torch", "prefect", "mlflow", "pydantic", "pyarrow")
    code = f"import sys, flows.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_asking_an_endpoint_imports_nothing_heavy():
    heavy = ("torch", "numpy", "sqlalchemy", "pyarrow", "yaml", "components.config.home")
    code = f"import sys, flows.commands.asking; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_configuration_is_wrong_use(tmp_path):
    done = concord("run", "nowhere.yaml", "--json", home=tmp_path)
    assert done.returncode == 2
    assert "no configuration at nowhere.yaml" in json.loads(done.stdout)["error"]
    assert "Traceback" not in done.stderr


def test_five_mistakes_are_told_at_once(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(
        "name: Bad Name\ndata: {uri: x, manifst: y}\n"
        "model: {fusion: gatd, dim: wide}\ntraining: {epochs: 0}\n",
        encoding="utf-8",
    )
    done = concord("run", str(path), home=tmp_path)
    assert done.returncode == 2
    for said in (
        "5 mistakes",
        "name:",
        "did you mean 'manifest'",
        "did you mean 'gated'",
        "model.dim: got 'wide'",
        "training.epochs: got 0",
    ):
        assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_read_only_home_is_told_with_a_remedy(tmp_path):
    home = tmp_path / "file"
    home.write_text("not a folder")
    config = tmp_path / "c.yaml"
    config.write_text("name: m\ndata: {uri: x}\n")
    done = concord("run", str(config), home=home)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "CONCORD_HOME" in done.stderr


def test_lists_are_empty_before_the_first_run(tmp_path):
    done = concord("runs", "list", "--json", home=tmp_path / "new")
    assert json.loads(done.stdout) == {"runs": []}
    assert not (tmp_path / "new").exists()
