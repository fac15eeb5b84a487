"""The only module that uses Great Expectations: suite, verdicts by record, Data Docs site.

Importing the library takes about ten seconds, so it is imported on first use; ``warm`` imports it
ahead of time.
"""

import os
import shutil
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from components.validation.rules import Rule

ROW = "concord:row"
"""Frame column that carries the record's number."""
_SEVERITY = {"stop": "critical", "quarantine": "warning", "warn": "info"}
_NUMBERS = [
    "bool",
    "boolean",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
]


@cache
def warm() -> Any:  # noqa: ANN401
    """Import Great Expectations without telemetry and return it; the first time takes ~10 s."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the library imports deprecated modules of its own dependencies
        import great_expectations
    return great_expectations


@cache
def _readable() -> Any:  # noqa: ANN401
    """The custom expectation: every value given for a modality decodes within its limits.

    Its column holds the finding of the modality's own check: empty, or the reason for the failure.
    Media never enter a frame.
    """
    warm()
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.expectations.expectation import ColumnMapExpectation
    from great_expectations.expectations.metrics import (
        ColumnMapMetricProvider,
        column_condition_partial,
    )

    class ColumnValuesReadable(ColumnMapMetricProvider):  # type: ignore[misc]
        condition_metric_name = "column_values.concord_readable"

        @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
        def _pandas(cls, column: Any, **_: object) -> Any:  # noqa: ANN401
            return column == ""

    class ExpectMediaToBeReadable(ColumnMapExpectation):  # type: ignore[misc]
        """Expect every given value of a modality to decode within its limits."""

        map_metric = "column_values.concord_readable"

    return ExpectMediaToBeReadable


class Suite:
    """The rules as a Great Expectations suite over frames of bounded size.

    Args:
        rules: the rules; their severities are passed to the library.
        limits: what each ``readable`` column's modality allows, shown in the Data Docs.
    """

    def __init__(self, rules: Sequence[Rule], limits: dict[str, dict[str, Any]]) -> None:
        gx = warm()
        self._gx = gx
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(
            globally=False
        )
        expectations = [self._expectation(rule, limits.get(rule.column, {})) for rule in rules]
        suite = self._context.suites.add(
            gx.ExpectationSuite(name="records", expectations=expectations)
        )
        source = self._context.data_sources.add_pandas("records")
        definition = source.add_dataframe_asset("records").add_batch_definition_whole_dataframe(
            "batch"
        )
        self._validation = self._context.validation_definitions.add(
            gx.ValidationDefinition(name="accept", data=definition, suite=suite)
        )
        self._batches = 0

    def judge(self, frame: Any) -> dict[str, list[int]]:  # noqa: ANN401
        """Map each broken rule to the numbers (column ``ROW``) of the records that break it.

        A rule about a whole column gives the number -1.

        Args:
            frame: pandas frame with the rules' columns and ``ROW``.
        """
        gx = self._gx
        self._batches += 1
        checkpoint = gx.Checkpoint(
            name=f"accept-{self._batches}",
            validation_definitions=[self._validation],
            actions=[],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [ROW]},
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas deprecations inside the library
            checkpoint = self._context.checkpoints.add(checkpoint)
            run = checkpoint.run(batch_parameters={"dataframe": frame})
        failed: dict[str, list[int]] = {}
        (validation,) = run.run_results.values()
        for result in validation.results:
            if result.success:
                continue
            assert not result.exception_info.get("raised_exception"), result.exception_info
            rows = [int(place[ROW]) for place in result.result.get("unexpected_index_list") or []]
            failed[result.expectation_config.meta["rule"]] = rows or [-1]
        return failed

    def write_docs(self, folder: Path) -> None:
        """Build the Data Docs site in a new folder."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (address,) = self._context.build_data_docs().values()
        site = Path(address.removeprefix("file://")).parent
        shutil.copytree(site, folder)
        shutil.rmtree(site, ignore_errors=True)

    def _expectation(self, rule: Rule, limits: dict[str, Any]) -> Any:  # noqa: ANN401
        kinds = self._gx.expectations
        common: dict[str, Any] = {
            "severity": _SEVERITY[rule.severity],
            "meta": {"rule": rule.name, "severity": rule.severity, **limits},
        }
        said = f"{rule.name} ({rule.severity}): wanted {rule.says}"
        if rule.check == "exist":
            return kinds.ExpectTableColumnsToMatchSet(
                column_set=list(rule.values), exact_match=False, **common
            )
        common["column"] = rule.column
        if rule.check == "readable":
            told = ", ".join(f"{k} {v:,}" for k, v in limits.items())
            return _readable()(description=f"{said}{f' ({told})' if told else ''}", **common)
        by_check: dict[str, tuple[Any, dict[str, Any]]] = {
            "number": (kinds.ExpectColumnValuesToBeInTypeList, {"type_list": _NUMBERS}),
            "given": (kinds.ExpectColumnValuesToNotBeNull, {}),
            "in": (kinds.ExpectColumnValuesToBeInSet, {"value_set": list(rule.values)}),
            "first": (kinds.ExpectColumnValuesToBeBetween, {"max_value": 1, "description": said}),
            "some": (kinds.ExpectColumnValuesToBeBetween, {"min_value": 1, "description": said}),
        }
        kind, arguments = by_check[rule.check]
        return kind(**arguments, **common)
