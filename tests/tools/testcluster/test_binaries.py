"""Programs are built once per set of pins; missing requirements give exit code 2."""

import subprocess

import pytest

from tools.testcluster import binaries, machine
from tools.testcluster.shell import MissingError


@pytest.fixture
def module(tmp_path, monkeypatch):
    source = tmp_path / "modules" / "hello"
    source.mkdir(parents=True)
    (source / "go.mod").write_text("module hello\n\ngo 1.21\n")
    monkeypatch.setattr(binaries, "MODULES", tmp_path / "modules")
    monkeypatch.setattr(binaries, "CACHE", tmp_path / "cache")
    return binaries.Module("hello", {"hello": "."})


@pytest.fixture
def go(tmp_path, monkeypatch):
    """A fake compiler that writes the requested output, or fails on request."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "go"
    program.write_text(
        '#!/bin/sh\necho hello >&2\nif [ -e broken ]; then echo "undefined: y" >&2; exit 1; fi\n'
        'while [ "$1" != -o ]; do shift; done\necho built > "$2"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return program


def test_programs_are_built_once_and_again_when_a_pin_changes(module, go):
    first = binaries.built(module)
    assert (first / "hello").read_text() == "built\n"
    go.unlink()
    assert binaries.built(module) == first
    (module.source / "go.mod").write_text("module hello\n\ngo 1.22\n")
    assert module.cached != first


@pytest.mark.usefixtures("go")
def test_a_failed_build_leaves_nothing_and_shows_its_end(module):
    (module.source / "broken").touch()
    with pytest.raises(ValueError, match=r"exit code 1, wanted 0:\nhello\nundefined: y"):
        binaries.built(module)
    assert list(binaries.CACHE.iterdir()) == []


@pytest.mark.usefixtures("module")
def test_a_missing_compiler_is_said(module, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingError, match="no `go` on PATH") as caught:
        binaries.built(module)
    assert caught.value.exit_code == 2


def test_pins_are_those_that_the_readme_names():
    readme = (binaries.MODULES.parent / "README.md").read_text()
    wanted = {"kubernetes": "k8s.io/kubernetes v", "coredns": "github.com/coredns/coredns v"}
    for name, start in wanted.items():
        text = (binaries.MODULES / name / "go.mod").read_text()
        version = next(
            line.split(start)[1].split()[0] for line in text.splitlines() if start in line
        )
        assert version in readme, name
    assert binaries.KUBERNETES in (binaries.MODULES / "kubernetes" / "go.mod").read_text()


def test_packages_that_cannot_be_installed_are_named(monkeypatch):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 0)
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)
    with pytest.raises(MissingError, match="missing nosuch-package, and no apt-get"):
        machine.require({"nosuch": "nosuch-package"})


def test_only_root_can_start_nodes(monkeypatch):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    with pytest.raises(MissingError, match="got user 1000, wanted root"):
        machine.require({})


def test_a_command_that_fails_shows_what_it_wrote():
    from tools.testcluster.shell import run

    with pytest.raises(ValueError, match=r"exit code 3, wanted 0:\nno such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"])
    assert run(["cat"], stdin="x") == subprocess.check_output(["echo", "-n", "x"], text=True)
