"""The structure of a checkout in figures: ``python -m benchmarks.structure [CHECKOUT]``."""

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("components", "flows", "serving", "infra", "tools")


def rooms(root: Path) -> set[str]:
    """What a reader of ``components/`` finds at first sight: its folders and its loose files."""
    found = [p for p in (root / "components").iterdir() if p.name[0] not in "._"]
    return {p.stem for p in found if p.suffix == ".py" or p.is_dir()}


def modules(root: Path) -> dict[str, Path]:
    """Module name to file, of all packages."""
    files = (f for package in PACKAGES for f in (root / package).rglob("*.py"))
    return {".".join(f.relative_to(root).with_suffix("").parts): f for f in files}


def imports(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    """Modules of the checkout that a module imports, wherever in it, types alone included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            wanted = [f"{node.module}.{alias.name}" for alias in node.names]
            for full in wanted:
                found = full if full in known else node.module
                if found in known or f"{found}.__init__" in known:
                    yield found
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def room_of(module: str) -> str:
    """The room of a module of ``components``: its first part below."""
    return module.split(".")[1]


def arrows(root: Path) -> set[tuple[str, str]]:
    """Which room of ``components`` imports which."""
    known = {n: f for n, f in modules(root).items() if n.startswith("components.")}
    found = set()
    for name, file in known.items():
        for target in imports(ast.parse(file.read_text(encoding="utf-8")), known):
            if target.startswith("components.") and room_of(target) != room_of(name):
                found.add((room_of(name), room_of(target)))
    return found


def circles(edges: set[tuple[str, str]]) -> int:
    """Rooms that import themselves through others."""
    after: dict[str, set[str]] = {}
    for a, b in edges:
        after.setdefault(a, set()).add(b)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(after.get(start, ()))
        while todo:
            here = todo.pop()
            if here not in seen:
                seen.add(here)
                todo += after.get(here, ())
        return seen

    return sum(room in reached(room) for room in after)


def main() -> None:
    """Print the figures."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    texts = {n: f.read_text(encoding="utf-8") for n, f in modules(root).items()}
    lines = [line for text in texts.values() for line in text.splitlines()]
    lengths = [len(text.splitlines()) for text in texts.values()]
    functions = [
        node.end_lineno - node.lineno + 1
        for text in texts.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    edges = arrows(root)
    over = sum(len(line) > 100 for line in lines)
    figures = {
        "rooms of components at first sight": len(rooms(root)),
        "import arrows between them": len(edges),
        "rooms in a circle": circles(edges),
        "lines": len(lines),
        "modules": len(lengths),
        "lines of a module, median and longest": (statistics.median(lengths), max(lengths)),
        "lines of a function, median and longest": (statistics.median(functions), max(functions)),
        "share of lines over 100 columns": f"{over / len(lines):.1%}",
    }
    for name, figure in figures.items():
        print(f"{name:<42} {figure}")


if __name__ == "__main__":
    main()
