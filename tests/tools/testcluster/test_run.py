"""`run` starts what does not run, gives the command its place, and stops only what it started."""

import sys

import pytest

from tools.testcluster import __main__ as program

TELL = "import os, sys; sys.stdout.write(repr([os.environ.get(n) for n in sys.argv[1:]]))"
NAMES = ["KUBECONFIG", "CONCORD_TESTCLUSTER_NUMBERS"]


@pytest.fixture
def clusters(monkeypatch):
    """Clusters that start at once; the test sets the numbers of those that run."""
    running, done = set(), []

    def verb(name, number):
        if name == "status":
            return 0 if number in running else 1
        done.append((name, number))
        return 0

    monkeypatch.setattr(program, "_verb", verb)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return running, done


def run(*options):
    return program.main(["run", *options, "--", sys.executable, "-c", TELL, *NAMES])


def test_a_command_on_one_cluster_gets_its_kubeconfig(clusters, capfd):
    assert run() == 0
    assert capfd.readouterr().out == f"['{program.KUBECONFIG}', None]"
    assert clusters[1] == [("up", program.NUMBER), ("down", program.NUMBER)]


def test_a_command_on_two_clusters_gets_their_numbers(clusters, capfd):
    assert run("--clusters", "2") == 0
    first, second = program.NUMBER, program.NUMBER + 1
    assert capfd.readouterr().out == f"[None, '{first} {second}']"
    assert clusters[1] == [("up", first), ("up", second), ("down", first), ("down", second)]


def test_a_cluster_that_runs_already_goes_on(clusters):
    running, done = clusters
    running.add(program.NUMBER)
    run("--clusters", "2")
    assert done == [("up", program.NUMBER + 1), ("down", program.NUMBER + 1)]


def test_a_cluster_that_does_not_start_ends_the_command_with_its_code(clusters, monkeypatch, capfd):
    verb = program._verb
    monkeypatch.setattr(program, "_verb", lambda *asked: 2 if asked[0] == "up" else verb(*asked))
    assert run() == 2
    assert capfd.readouterr().out == ""
    assert clusters[1] == [("down", program.NUMBER)]


def test_a_cluster_of_the_user_is_used_and_none_is_started(clusters, monkeypatch, capfd):
    monkeypatch.setenv("KUBECONFIG", "theirs")
    assert run("--clusters", "2") == 0
    assert capfd.readouterr().out == "['theirs', None]"
    assert clusters[1] == []
