"""The compose file and what it provisions: valid, closed to others, and about real metrics."""

import json
import re
import shlex
from typing import Any

import promql_parser
import pytest
import yaml
from compose_spec import PyCompose

from components.config.home import CHECKOUT
from serving.live.metrics import Metrics

FILE = CHECKOUT / "infra" / "compose.yaml"
FOLDER = CHECKOUT / "infra" / "compose"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
LATER = {"concord_search_recall"}
"""Metrics that the service has once an approximate index is sampled."""


def interpolated(given: dict[str, str]) -> str:
    """The file as compose sees it; a variable that must be set and is not is an error."""

    def value(found: re.Match[str]) -> str:
        name, sign, rest = found.groups()
        if name in given:
            return given[name]
        assert sign == "-", f"{name}: {rest}"
        return str(rest)

    return VARIABLE.sub(value, FILE.read_text())


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(interpolated(ENVIRONMENT))["services"]
    return found


ENVIRONMENT = {"POSTGRES_PASSWORD": "p", "GRAFANA_PASSWORD": "g"}


def test_the_file_is_valid_compose_and_another_key_is_not() -> None:
    # compose_spec is an implementation of the specification that refuses what it does not know.
    spec = yaml.safe_load(interpolated(ENVIRONMENT))  # anchors and merge keys are YAML's own
    del spec["x-concord"], spec["x-environment"]
    assert {*PyCompose.from_yaml(yaml.safe_dump(spec)).service_names()} == {*spec["services"]}
    spec["services"]["mlflow"]["healthcheck"]["pause"] = "1s"
    with pytest.raises(ValueError, match="pause"):
        PyCompose.from_yaml(yaml.safe_dump(spec))


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_nothing_starts_without_its_passwords_and_the_example_names_them(name: str) -> None:
    with pytest.raises(AssertionError, match=name):
        interpolated({k: v for k, v in ENVIRONMENT.items() if k != name})
    example = (FOLDER / "env.example").read_text()
    assert f"\n{name}=\n" in f"\n{example}"
    assert "METRICS_TOKEN=\n" in example


def test_every_port_is_this_machines_alone(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 6
    assert {port.split(":")[0] for port in ports} == {"127.0.0.1"}
    assert len({port.split(":")[1] for port in ports}) == 6


def test_what_is_ours_can_write_nothing_but_its_volumes(services: dict[str, Any]) -> None:
    ours = [n for n, s in services.items() if "concord/flow" in s["image"] and n != "state"]
    assert ours == ["mlflow", "prefect", "service", "concord"]
    for name in ours:
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]


def test_images_have_a_version_and_files_that_are_mounted_exist(services: dict[str, Any]) -> None:
    for service in services.values():
        assert re.search(r":[\w.-]+$", service["image"])
        assert not service["image"].endswith(":latest")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (FILE.parent / source).is_file(), source


def test_addresses_name_services_and_ports_that_are_there(services: dict[str, Any]) -> None:
    environment = services["service"]["environment"]
    assert environment["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert "@postgres:5432/concord" in environment["CONCORD_DATABASE_URL"]
    assert "--port 5000" in services["mlflow"]["command"]
    databases = (FOLDER / "databases.sql").read_text()
    for name in ("mlflow", "prefect"):
        assert f"@postgres:5432/{name}" in json.dumps(services[name]["environment"])
        assert f"CREATE DATABASE {name};" in databases


def test_commands_of_ours_are_those_of_the_programs(services: dict[str, Any]) -> None:
    from mlflow.cli import server
    from typer.main import get_command

    from flows.cli import app

    words = shlex.split(services["mlflow"]["command"])
    mlflow = server.make_context("server", words[2:], resilient_parsing=False)
    assert mlflow.params["port"] == 5000
    serve = get_command(app).commands["serve"]  # type: ignore[attr-defined]
    ours = serve.make_context("serve", services["service"]["command"][2:])
    assert ours.params["port"] == 3000


def test_prometheus_asks_the_service_with_the_token_of_the_secret(services: dict[str, Any]) -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["service:3000"]}]
    (secret,) = services["prometheus"]["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret}"


def test_the_dashboard_asks_for_metrics_that_the_service_has() -> None:
    ends = ("", "_total", "_bucket", "_sum", "_count")
    known = {f"{f.name}{end}" for f in Metrics().registry.collect() for end in ends}
    board = json.loads((FOLDER / "grafana" / "concord.json").read_text())
    asked: set[str] = set()
    for panel in board["panels"]:
        assert panel["targets"]
        for target in panel["targets"]:
            promql_parser.parse(target["expr"])  # Prometheus's own grammar
            asked |= {*re.findall(r"concord_\w+", target["expr"])}
    assert asked - LATER <= known
    needed = {"requests", "modalities", "batch_records", "queue_seconds", "abstained", "version"}
    assert not [name for name in needed if not any(f"concord_{name}" in a for a in asked)]


def test_panels_are_provisioned_and_do_not_overlap() -> None:
    (source,) = yaml.safe_load((FOLDER / "grafana" / "datasource.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    panels = json.loads((FOLDER / "grafana" / "concord.json").read_text())["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["datasource"]["uid"] == source["uid"]
        at = panel["gridPos"]
        here = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & here
        cells |= here
