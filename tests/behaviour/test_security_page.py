"""``docs/security.md`` names tests that exist, and a few of its statements are tested here."""

import ast
import re
from pathlib import Path

import pytest

from flows import cli
from serving.defaults import HOST

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))
SHIPPED = [
    p for room in ("components", "flows", "serving", "infra") for p in (ROOT / room).rglob("*.py")
]


@pytest.mark.parametrize(("file", "function"), NAMED)
def test_a_proof_that_the_page_names_exists(file, function):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert not function or function in names


def test_every_row_of_the_page_has_a_proof():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "| proof |" not in line]
    assert len(rows) > 10
    assert all("`tests/" in row for row in rows)


def test_nothing_reads_a_pickle():
    """``torch.load`` and numpy's ``allow_pickle`` unpickle, as do the libraries named here."""
    found = []
    for path in SHIPPED:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] + [getattr(node, "module", "") or ""]
                bad = {"pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve"} & {*names}
            elif isinstance(node, ast.Call):
                bad = {ast.unparse(node.func)} & {"torch.load", "pd.read_pickle"}
                bad |= {k.arg for k in node.keywords if k.arg == "allow_pickle"}
            else:
                continue
            found += [(path.name, node.lineno, name) for name in bad]
    assert not found


def test_an_endpoint_listens_on_the_loopback_by_default():
    import typer

    serve = typer.main.get_command(cli.app).commands["serve"]
    (host,) = [p.default for p in serve.params if p.name == "host"]
    assert host == HOST == "127.0.0.1"
