"""Every command of ``concord`` in messages, help, docstrings and pages is one that exists."""

import ast
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import typer

from components.core.commands import concord
from flows.cli import app

ROOT = Path(__file__).parents[2]
PACKAGES = ("benchmarks", "components", "flows", "infra", "serving", "tools")
PAGES = (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
SPAN = re.compile(r"`+(concord [^`]+?)`+")
SHOWN = re.compile(r"(?:^|[|;]|Example:) *(concord [^|;\n]+)", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ANY = "1"
"""In the place of a value that is known at run time, or that a capital word stands for."""


@dataclass(frozen=True)
class Command:
    """A command and its place; a name alone only mentions the command."""

    place: str
    text: str
    may_be_a_name: bool = False


def in_source(place: str, source: str) -> Iterator[Command]:
    """Commands in the strings of a Python file, and those that `concord` renders."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    parts = {id(p) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for p in n.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == concord.__name__:
                words = [value(word) for word in node.args]
                options = {option.arg: value(option.value) for option in node.keywords}
                yield Command(place, concord(*words, **options))
        elif isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts:
            text, is_docstring = value(node), id(node) in docstrings
            yield from (Command(place, found, is_docstring) for found in SPAN.findall(text))
            if not text.startswith("``"):
                yield from (Command(place, found) for found in SHOWN.findall(text))


def value(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ANY
    if isinstance(node, ast.JoinedStr):
        return "".join(value(part) for part in node.values)
    return ANY


def in_page(place: str, page: str) -> Iterator[Command]:
    """Commands in the code blocks and code spans of a page."""
    for block in FENCED.findall(page):
        for found in re.findall(r"^\$? *(concord .+)$", block, re.MULTILINE):
            yield Command(place, found)
    prose = FENCED.sub("", page)
    yield from (Command(place, found, may_be_a_name=True) for found in SPAN.findall(prose))


def everywhere() -> list[Command]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            found += in_source(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    for path in PAGES:
        found += in_page(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    return found


def refusal(command: Command) -> str | None:
    """Why the command line does not accept a command; None if it does."""
    words = [
        ANY if word.isupper() else word for word in shlex.split(command.text, comments=True)[1:]
    ]
    parser = typer.main.get_command(app)
    while words and words[0] in getattr(parser, "commands", {}):
        parser = parser.commands[words.pop(0)]
    if not words and command.may_be_a_name:
        return None
    if words and hasattr(parser, "commands") and not words[0].startswith("-"):
        return f"{command.place}: {command.text}: no command {words[0]!r}"
    try:
        with redirect_stdout(StringIO()):
            parser.make_context("concord", words)
    except Exception as error:  # Typer hides the classes of its errors
        is_help = getattr(error, "exit_code", None) == 0
        return None if is_help else f"{command.place}: {command.text}: {error}"
    return None


def test_every_command_that_is_shown_is_accepted():
    commands = everywhere()
    assert {"README.md", "flows/cli/learning.py", "components/registry/promotion.py"} <= {
        command.place for command in commands
    }
    assert [why for command in commands if (why := refusal(command))] == []


@pytest.mark.parametrize(
    "source",
    [
        "raise UserError(f'choose with `concord promote {model} VERSION`')",
        "raise UserError('make one with '\n'`concord run`')",
        "then = 'concord explain latest; concord serv'",
        "say(concord('promote', 'VERSION', name=model))",
        "'''Example: concord runs clean --kept 3'''",
    ],
)
def test_a_command_that_does_not_exist_is_found(source):
    (wrong,) = [why for found in in_source("here", source) if (why := refusal(found))]
    assert wrong.startswith("here: concord ")
