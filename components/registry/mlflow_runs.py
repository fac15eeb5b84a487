"""A finished run in MLflow: its parameters, figures and files."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.refs import digest_bytes
from components.registry.mlflow_client import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

_RUN_TAG = "concord.run_id"
PARENT = "mlflow.parentRunId"
"""Tag of a run below another one."""
_PARAMS_AT_ONCE, _METRICS_AT_ONCE, _PARAM_LENGTH = 100, 1000, 6000  # limits of MLflow's log_batch
_NAME_LENGTH = 250
"""Longest name of a figure that MLflow takes."""


def open_run(store: Store, name: str, run_id: str, *, tags: Mapping[str, str]) -> str:
    """Begin a run that others are to be below, and return MLflow's id of it.

    ``record_run`` with the same ``run_id`` finishes it; a run is below it with the tag ``PARENT``.

    Raises:
        UserError: the store cannot be written.
    """
    store.prepare()
    with store.writing():
        client = store.client()
        experiment = store.experiment(client, name)
        run = client.create_run(experiment, run_name=run_id, tags={_RUN_TAG: run_id, **tags})
        return str(run.info.run_id)


def record_run(
    store: Store,
    name: str,
    run_id: str,
    *,
    params: Mapping[str, Any],
    metrics: Mapping[str, Any],
    tags: Mapping[str, str],
    artifacts: Mapping[str, Path],
) -> str:
    """Record one finished run, once, and return MLflow's id of it.

    Args:
        store: where to.
        name: the experiment, which is the model's name.
        run_id: Concord's id of the run; a run that is recorded already is returned as it is.
        params: may be nested; flattened with dots.
        metrics: may be nested; values that are not numbers are left out.
        tags: texts.
        artifacts: folder of the run's artifacts to a local file or folder.

    Raises:
        UserError: the store cannot be written.
    """
    store.prepare()
    with store.writing():
        client = store.client()
        from mlflow.entities import ViewType

        experiment = store.experiment(client, name)
        found = client.search_runs(
            [experiment], f"tags.`{_RUN_TAG}` = '{run_id}'", ViewType.ALL, max_results=1
        )
        if found and found[0].info.lifecycle_stage == "deleted":
            client.restore_run(found[0].info.run_id)
        if found and found[0].info.status == "FINISHED":
            return str(found[0].info.run_id)
        run = (
            found[0]
            if found
            else client.create_run(experiment, run_name=run_id, tags={_RUN_TAG: run_id, **tags})
        )
        mlflow_id = str(run.info.run_id)
        _log_figures(client, mlflow_id, params, metrics)
        for folder, path in artifacts.items():
            log = client.log_artifacts if path.is_dir() else client.log_artifact
            log(mlflow_id, str(path), folder or None)
        client.set_terminated(mlflow_id, "FINISHED")
        return mlflow_id


def _log_figures(
    client: "MlflowClient", run: str, params: Mapping[str, Any], metrics: Mapping[str, Any]
) -> None:
    from mlflow.entities import Metric, Param

    numbers = {
        k: float(v)
        for k, v in flat(metrics).items()
        if isinstance(v, int | float) and not isinstance(v, bool)
    }
    # The time of a figure means nothing here, and 0 makes a repeated call write the same rows.
    found = [Metric(key, value, timestamp=0, step=0) for key, value in numbers.items()]
    client.log_batch(run, metrics=found[:_METRICS_AT_ONCE])
    texts = [Param(key, str(value)[:_PARAM_LENGTH]) for key, value in flat(params).items()]
    for start in range(0, len(texts), _PARAMS_AT_ONCE):
        client.log_batch(run, params=texts[start : start + _PARAMS_AT_ONCE])


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested mappings to dotted names that MLflow allows, each its own.

    >>> flat({"by_subset": {"image+text": {"accuracy": 0.5}}, "retrieval": {"text->image": 1}})
    {'by_subset.image_and_text.accuracy': 0.5, 'retrieval.text_to_image': 1}
    """
    found: dict[str, Any] = {}
    for path, value in _leaves(tree, ()):
        name = ".".join(map(_allowed, path))
        # MLflow takes names for paths, which may not be written in two ways.
        if posixpath.normpath(name) != name:
            name = name.replace("/", "_")
        if len(name) > _NAME_LENGTH or name in found:  # classes may have any name
            mark = digest_bytes(repr(path).encode())[:12]
            name = f"{name[: _NAME_LENGTH - 13]}-{mark}"
        found[name] = value
    return found


def _leaves(
    tree: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        path = (*above, str(key))
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        else:
            yield path, value


def _allowed(key: str) -> str:
    words = key.replace("->", "_to_").replace("+", "_and_").replace("@", "_at_")
    return re.sub(r"[^\w\-. /:]", "_", words)
