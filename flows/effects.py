"""Effects on shared state: they run every time, are idempotent, and follow the evidence."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.config.run import RunConfig
from components.core.errors import UserError
from components.core.files import read_json
from components.core.refs import Ref, digest_folder
from components.features.store import Features
from components.features.target import build_target, other_target
from components.registry.gate import Answers, Decision, Rows, decide, evidence_digest, terms
from components.registry.mlflow_client import Store
from components.registry.mlflow_runs import record_run
from components.registry.promotion import Promotion
from components.registry.versions import RegisteredVersion
from flows.runs.records import now
from flows.runs.session import Session
from flows.steps import table
from flows.steps.step import execute, named
from serving import bentos


def ready(session: Session) -> None:
    """Check before any work what the effects at its end will need."""
    promotion, manifest = _promotion(session), session.job.manifest
    promotion.ready()
    primary = build_target(manifest.target.kind, [], session.job.base).primary
    terms(session.job.config.gate, primary)
    if (champion := promotion.champion()) is None:
        return
    theirs = read_json(promotion.package_of(champion) / "model.json").get("target", "single")
    if theirs != manifest.target.kind:
        raise UserError(other_target(str(theirs), manifest.target.kind))


def register(session: Session, packed: Ref, results: Ref) -> RegisteredVersion:
    """Record the run in MLflow and register its package; the same package keeps its version."""
    job, record = session.job, session.record
    package = packed.path / "package"
    metrics = read_json(results.path / "metrics.json")
    run = record_run(
        Store(job.home),
        job.config.name,
        record.run_id,
        params=job.config.model_dump(mode="json"),
        metrics=metrics,
        tags={
            "data_digest": record.data_digest,
            "data_revision": record.data_revision or "",
            "flow_run": record.flow_run or "",
        },
        artifacts={
            "report": results.path / "report.html",
            "config": package / "config.yaml",
            "data": session.output("validate").path / "summary.json",
            "data_docs": session.output("validate").path / "data_docs",
        },
    )
    version = _promotion(session).register(
        package,
        package_digest=digest_folder(package),
        run=run,
        modalities={
            name: spec.raw
            for name, spec in Features.load(session.output("encode").path).specs.items()
        },
        time=now(),
        tags={
            "bento": os.path.relpath(packed.path / "bento", job.home.root),
            "data_digest": record.data_digest,
            "run": record.run_id,
        },
    )
    session.update(model_version=version.version)
    return version


def gate(session: Session, challenger: RegisteredVersion, results: Ref) -> Decision:
    """Compare the challenger with the champion on the same held-out rows."""
    job = session.job
    promotion = _promotion(session)
    champion = promotion.champion()
    mine, theirs = challenger.package_digest, champion.package_digest if champion else None
    features = Features.load(session.output("encode").path)
    rule = terms(job.config.gate, features.target.primary)
    digest = evidence_digest(challenger=mine, champion=theirs, rows=results.digest, config=rule)
    if (before := promotion.settled(challenger, digest)) is not None:
        return Decision(verdict=before.verdict, reasons=before.reasons, evidence_digest=digest)
    return decide(
        _rows(session, results, champion, features),
        challenger=mine,
        champion=theirs,
        rows_digest=results.digest,
        config=rule,
        looks=promotion.versions().history.looks(),
    )


def promote(session: Session, challenger: RegisteredVersion, decision: Decision) -> None:
    """Write the decision into the ledger and update the champion alias."""
    outcome = _promotion(session).apply(decision, challenger, time=now())
    session.update(verdict=outcome.verdict, reasons=outcome.reasons)


def serve(session: Session, challenger: RegisteredVersion, packed: Ref) -> None:
    """Install the version's Bento for endpoints; a running `concord serve` follows the champion."""
    bentos.install(session.job.home, challenger, packed.path / "bento")


def _promotion(session: Session) -> Promotion:
    return Promotion(session.job.home, session.job.config.name, session.job.say)


def _rows(
    session: Session, results: Ref, champion: RegisteredVersion | None, features: Features
) -> Rows:
    table = pq.read_table(results.path / "comparisons.parquet")
    table = table.filter(pc.equal(table["split"], session.job.config.gate.split))
    known = None if champion is None else _champion_answers(session, champion, features)
    return paired(table, features, known)


def paired(table: pa.Table, features: Features, known: Mapping[str, Any] | None) -> Rows:
    """What the gate compares, record by record.

    Args:
        table: rows of ``comparisons.parquet``.
        features: the data set that they are of.
        known: record id to the champion's answer, in any order; None without a champion.
    """
    from components.evaluation import standing

    answers = standing.comparable(table, features)
    theirs: Answers | None = None
    if known is not None:
        blank = "" if answers["chosen"].ndim == 1 else np.zeros(answers["chosen"].shape[1:])
        theirs = np.array([known.get(i, blank) for i in answers["id"].tolist()])
    return Rows(
        labels=answers["label"],
        challenger=answers["chosen"],
        champion=theirs,
        majority=answers["majority"],
        best_single=answers.get("best_single"),
    )


def _champion_answers(
    session: Session, champion: RegisteredVersion, features: Features
) -> dict[str, Any]:
    from components.evaluation import standing

    package = _promotion(session).package_of(champion)
    if not standing.is_compatible(package, features):
        features = Features.load(_encoded_for(session, package).path)
    return standing.answers(package, features)


def _encoded_for(session: Session, package: Path) -> Ref:
    """Today's records, encoded as the champion needs them.

    This is a step like any other, so that a later run finds it by its key.
    """
    from components.model import storage

    job = session.job
    options = {name: spec.choice for name, spec in storage.load(package).specs.items()}
    config: RunConfig = job.config.model_copy(update={"modalities": options})
    encode = named(table.steps_for(config, job.manifest, job.base), "encode")
    return execute(encode, session.inputs(encode), replace(job, config=config)).ref
