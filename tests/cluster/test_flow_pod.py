"""The whole flow as a pod of the Prefect work pool, with a team's servers and training Jobs."""

import json
from dataclasses import replace

import pytest
import yaml

from components.core.refs import digest_folder
from components.registry.ledger import Ledger
from components.registry.mlflow_store import Registry
from components.registry.promotion import Promotion
from serving import bentos
from tests import tiny
from tests.cluster import flow_pod

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

CONFIG = "/data/tiny.yaml"


@pytest.fixture(scope="module")
def team(own_cluster, kubectl, kubeconfig, namespace, tmp_path_factory):  # noqa: ARG001  pods mount this machine's folders
    folder = tmp_path_factory.mktemp("flow-pod")
    tiny.make(folder / "data" / "set")
    path = tiny.config(folder / "data", folder / "data" / "set")
    config = yaml.safe_load(path.read_text()) | {"trainer": flow_pod.trainer(namespace, folder)}
    config["data"]["uri"] = "/data/set"
    path.write_text(yaml.safe_dump(config))
    with flow_pod.team(kubectl, namespace, folder, kubeconfig) as ready:
        yield ready


@pytest.fixture(scope="module")
def first(team):
    return team.run(CONFIG, 900)


def records(team):
    return [
        json.loads(path.read_text())
        for path in sorted((team.folder / "home" / "runs").glob("*/run.json"))
    ]


def test_the_flow_in_a_pod_makes_a_champion_in_the_teams_ledger_and_registry(team, first):
    assert first["state_name"] == "Completed", first["logs"] + team.described()
    entries = Ledger(team.home.ledger).entries("tiny")
    assert [e.kind for e in entries] == ["registration", "look", "promotion"]
    assert "package" not in entries[0].details
    (version,) = Registry(team.home).versions("tiny")
    assert version.aliases == ["champion"]
    assert version.package_digest == entries[-1].package_digest
    package = Promotion(team.home, "tiny").package_of(Promotion(team.home, "tiny").champion())
    assert digest_folder(package) == version.package_digest


def test_its_trainings_were_jobs_that_its_own_account_submitted(team, first):
    """Both accounts may create Jobs in the namespace; the worker tracks only the flow's Job."""
    events = team.kubectl.json("-n", team.namespace, "get", "events")["items"]
    jobs = {e["involvedObject"]["name"] for e in events if e["reason"] == "SuccessfulCreate"}
    submitted = {
        line.split()[2] for line in first["logs"].splitlines() if line.startswith("submitted Job")
    }
    assert len(submitted) >= 2
    assert submitted < jobs
    assert len(jobs - submitted) == 1
    pod = next(
        iter(
            team.kubectl.json("-n", team.namespace, "get", "pods", "-l", "concord/task=flow")[
                "items"
            ]
        )
    )
    assert pod["spec"]["serviceAccountName"] == "concord-flow"
    assert not pod["spec"]["containers"][0]["securityContext"].get("privileged")
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"]


def test_nothing_below_the_home_is_sqlite_and_its_record_names_the_pod(team, first):
    assert flow_pod.database_files(team.folder / "home") == []
    (record,) = records(team)
    pod = next(
        iter(
            team.kubectl.json("-n", team.namespace, "get", "pods", "-l", "concord/task=flow")[
                "items"
            ]
        )
    )
    assert (record["status"], record["host"]) == ("finished", pod["metadata"]["name"])
    assert record["flow_run"] == first["id"]


def test_the_worker_was_refused_nothing_and_no_password_is_in_logs_or_manifests(team, first):
    words = (team.folder / "worker.log").read_text()
    assert "orbidden" not in words, words
    password = team.database.split(":")[2].split("@")[0]
    manifests = team.kubectl("-n", team.namespace, "get", "jobs,pods", "-o", "yaml")
    for text in (
        words,
        first["logs"],
        manifests,
        *(p.read_text() for p in team.folder.glob("home/runs/*/run.json")),
    ):
        assert password not in text


@pytest.mark.usefixtures("first")
def test_a_second_run_in_another_pod_skips_all_steps_and_decides_nothing(team):
    before = Ledger(team.home.ledger).entries("tiny")
    second = team.run(CONFIG, 600)
    assert second["state_name"] == "Completed", second["logs"] + team.described()
    assert "submitted Job" not in second["logs"]
    one, two = records(team)
    assert {step["status"] for step in two["steps"]} == {"skipped"}
    assert [s["digest"] for s in one["steps"]] == [s["digest"] for s in two["steps"]]
    assert one["host"] != two["host"]
    assert Ledger(team.home.ledger).entries("tiny") == before


def like_the_flow(team, name, *, env_from, arguments):
    """Run a command in a pod of the work pool; return its exit code and output."""
    flow = team.kubectl.json("-n", team.namespace, "get", "pods", "-l", "concord/task=flow")[
        "items"
    ][0]
    spec = {
        key: flow["spec"][key]
        for key in ("securityContext", "restartPolicy", "volumes", "enableServiceLinks")
    }
    spec["volumes"] = [volume for volume in spec["volumes"] if "projected" not in volume]
    container = {
        key: flow["spec"]["containers"][0][key]
        for key in ("image", "imagePullPolicy", "workingDir", "securityContext", "env")
    }
    mounts = [
        m
        for m in flow["spec"]["containers"][0]["volumeMounts"]
        if "serviceaccount" not in m["mountPath"]
    ]
    container |= {"name": "command", "args": arguments, "volumeMounts": mounts, "envFrom": env_from}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {**spec, "containers": [container]},
    }
    team.kubectl.apply(pod, team.namespace)
    team.kubectl(
        "-n",
        team.namespace,
        "wait",
        f"pod/{name}",
        "--for=jsonpath={.status.containerStatuses[0].state.terminated}",
        "--timeout=120s",
    )
    status = team.kubectl.json("-n", team.namespace, "get", "pod", name)["status"]
    return status["containerStatuses"][0]["state"]["terminated"]["exitCode"], team.kubectl(
        "-n", team.namespace, "logs", name
    )


@pytest.mark.usefixtures("first")
def test_the_command_in_a_pod_says_at_once_that_nothing_changed(team):
    servers = [{"secretRef": {"name": "concord-flow"}}]
    code, said = like_the_flow(
        team, "again", env_from=servers, arguments=["concord", "run", CONFIG, "--json"]
    )
    assert code == 0, said
    assert json.loads(said.splitlines()[-1])["verdict"] == "nothing changed"


@pytest.mark.usefixtures("first")
def test_a_pod_that_was_given_no_servers_makes_no_database_and_says_what_is_missing(team):
    code, said = like_the_flow(team, "bare", env_from=[], arguments=["concord", "run", CONFIG])
    assert code == 2, said
    assert "CONCORD_DATABASE_URL and MLFLOW_TRACKING_URI" in said
    assert flow_pod.database_files(team.folder / "home") == []


@pytest.mark.usefixtures("first")
def test_another_machine_of_the_team_builds_what_it_serves_from_the_registry(team, tmp_path):
    laptop = replace(team.home, root=tmp_path / "laptop")
    bento = bentos.bento_of(laptop, Promotion(laptop, "tiny").champion())
    assert (bento / "bento.yaml").is_file()
