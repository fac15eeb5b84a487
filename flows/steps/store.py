"""The step store: one output folder per step key, written once and found again by later runs."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.files import read_json, write_json, written_aside
from components.core.refs import Ref, digest_folder, digest_json


@dataclass(frozen=True, kw_only=True)
class StepKey:
    """Everything that determines a step's output; its digest names the output.

    Attributes:
        step: row of the step table.
        version: raised by hand when the step's code changes its result.
        inputs: row that the step reads (or ``data``) to the digest of its output.
        config: the step's own part of the configuration.
        sources: chosen parts (``fusion gated``) to the digest of their source text;
            ``code`` to that of the code that the output carries.
        libraries: versions of the libraries that shape the result.
    """

    step: str
    version: int
    inputs: Mapping[str, str]
    config: Mapping[str, Any]
    sources: Mapping[str, str]
    libraries: Mapping[str, str]

    def parts(self) -> dict[str, Any]:
        """The key as JSON."""
        return {
            "step": self.step,
            "version": self.version,
            "inputs": dict(self.inputs),
            "config": dict(self.config),
            "sources": dict(self.sources),
            "libraries": dict(self.libraries),
        }

    def digest(self) -> str:
        """SHA-256 of the key."""
        return digest_json(self.parts())


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One step of one run.

    Attributes:
        name: row of the step table.
        key: digest of its key.
        status: ``ran`` or ``skipped``.
        seconds: time that the step took in this run.
        reason: why it ran or did not.
        ref: its output.
    """

    name: str
    key: str
    status: str
    seconds: float
    reason: str
    ref: Ref

    @classmethod
    def skipped(cls, key: "StepKey", ref: Ref, seconds: float = 0.0) -> "StepResult":
        """The result of a step whose output was found."""
        return cls(
            name=key.step,
            key=key.digest(),
            status="skipped",
            seconds=seconds,
            reason="same key",
            ref=ref,
        )


class StepStore:
    """Outputs under ``root/<step>/<key>/`` with their record in ``root/<step>/<key>.json``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, key: StepKey) -> Ref | None:
        """The finished output of this key, if there is one."""
        folder, record = self._places(key)
        if not record.is_file() or not folder.is_dir():
            return None
        return Ref(uri=str(folder), digest=str(read_json(record)["digest"]))

    def run(
        self, key: StepKey, work: Callable[[Path], None], *, volatile: tuple[str, ...] = ()
    ) -> StepResult:
        """Return the output of a key; do the work only if it does not exist.

        Args:
            key: what determines the output.
            work: writes the output into the empty folder that it is given.
            volatile: top-level names left out of the content digest (they carry times).
        """
        start = time.monotonic()
        if ref := self.find(key):
            return StepResult.skipped(key, ref, _since(start))
        reason = self.reason(key)
        folder, record = self._places(key)
        with written_aside(folder) as out:
            work(out)
            digest = digest_folder(out, exclude=volatile)
        seconds = _since(start)
        write_json(
            record,
            {"digest": digest, "seconds": seconds, "finished": time.time(), "parts": key.parts()},
        )
        return StepResult(
            name=key.step,
            key=key.digest(),
            status="ran",
            seconds=seconds,
            reason=reason,
            ref=Ref(uri=str(folder), digest=digest),
        )

    def reason(self, key: StepKey) -> str:
        """Why a key has no output yet: what differs from the nearest earlier key of the step."""
        earlier = [read_json(p) for p in (self.root / key.step).glob("*.json")]
        if not earlier:
            return "never ran"
        now = _flat(key.parts())
        changes = [
            _changes(_flat(record["parts"]), now)
            for record in sorted(earlier, key=lambda r: -float(str(r["finished"])))
        ]
        nearest = min(changes, key=len)
        return (
            "; ".join(nearest[:4]) + (f"; and {len(nearest) - 4} more" if len(nearest) > 4 else "")
            or "its output was removed"
        )

    def _places(self, key: StepKey) -> tuple[Path, Path]:
        folder = self.root / key.step / key.digest()
        return folder, folder.with_name(folder.name + ".json")


def _since(start: float) -> float:
    return round(time.monotonic() - start, 3)


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if isinstance(value, Mapping):
        return {
            k: v for name, part in value.items() for k, v in _flat(part, f"{prefix}{name}.").items()
        }
    return {prefix.rstrip("."): value}


def _changes(before: dict[str, object], now: dict[str, object]) -> list[str]:
    def show(name: str) -> str:
        if name.startswith(("inputs.", "sources.")):
            how = "added" if name not in before else "changed" if name in now else "left out"
            return f"{name.replace('.', ' ', 1)} {how}"
        return f"{name.replace('.', ' ', 1)}: {before.get(name)!r} -> {now.get(name)!r}"

    return [
        show(name)
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
