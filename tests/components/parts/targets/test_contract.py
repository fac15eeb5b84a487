"""The contract of every target; new files are picked up automatically."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from components.parts import loading as parts

LABELS = {
    "single": ["a", None, "c", "b", "a", "a"],
    "multi": [["a"], None, ["b", "c"], [], ["a", "c"], ["b"]],
    "none": [None] * 6,
}
"""Labels of six records, as a data set holds them, for each target."""


@pytest.mark.parametrize("name", parts.available("targets"))
class TestTarget:
    def made(self, name):
        target = parts.load("targets", name).build(
            parts.configure("targets", name, {}), classes=["a", "b", "c"]
        )
        return target, target.encode(LABELS[name])

    def test_labels_survive_their_coding(self, name):
        target, codes = self.made(name)
        assert target.decode(codes) == LABELS[name]
        assert target.labelled(codes).tolist() == [v is not None for v in LABELS[name]]
        assert not target.labelled(target.unlabelled(4)).any()

    def test_confident_logits_of_the_labels_are_decided_as_the_labels(self, name):
        target, codes = self.made(name)
        known = codes[target.labelled(codes)]
        soft = target.soft(torch.from_numpy(known), 0.0).numpy()
        assert soft.shape == (len(known), target.width)
        sure = target.probabilities(40 * (soft - 0.5))
        assert np.array_equal(target.decide(sure), known)
        figures = target.metrics(known, target.answers(sure))
        assert set(figures) == set(parts.load("targets", name).METRICS)
        assert all(value == 1 for value in figures.values())
        assert target.primary in (figures or {None})

    def test_cross_entropy_is_least_for_the_labels_and_reads_no_unknown_ones(self, name):
        target, codes = self.made(name)
        soft = target.soft(torch.from_numpy(codes), 0.0)
        right = 20 * (torch.nan_to_num(soft, 0.5) - 0.5)
        logits = (right + torch.randn(right.shape)).requires_grad_()
        rows = target.cross_entropy(logits, soft)
        rows[torch.from_numpy(target.labelled(codes))].sum().backward()
        assert torch.isfinite(rows).all()
        assert torch.isfinite(logits.grad).all()
        known = target.labelled(codes)
        best = target.cross_entropy(right, soft)[known]
        assert (best <= target.cross_entropy(-right, soft)[known]).all()

    def test_thresholds_change_no_labels_coding(self, name):
        target, codes = self.made(name)
        known = codes[target.labelled(codes)]
        p = target.probabilities(np.zeros((len(known), target.width)))
        other = target.with_thresholds(target.fit_thresholds(p, known))
        assert other.classes == target.classes
        assert np.array_equal(other.encode(LABELS[name]), codes)

    def test_what_cannot_be_answered_has_no_label(self, name):
        target, _ = self.made(name)
        assert not target.labelled(target.decide(np.full((2, target.width), np.nan))).any()

    def test_probabilities_are_between_0_and_1_and_a_calibration_makes_labels_likelier(self, name):
        target, codes = self.made(name)
        known = codes[target.labelled(codes)]
        logits = np.random.default_rng(0).normal(size=(len(known), target.width)) * 9
        found = target.probabilities(logits, target.calibrate(logits, known))
        assert ((found >= 0) & (found <= 1)).all()
        assert target.calibrate(logits[:0], known[:0]) == 1

    def test_the_baseline_answers_every_record(self, name):
        target, codes = self.made(name)
        assert len(target.baseline(codes, 5)) == 5
        assert (target.counts(codes) > 0).all()
        assert target.shares(codes).shape == (target.width,)

    def test_a_row_has_the_columns_of_the_table(self, name):
        target, _ = self.made(name)
        row = target.row(target.probabilities(np.zeros((1, target.width)))[0])
        assert list(row) == [column for column, _ in target.columns()]

    def test_it_imports_no_torch(self, name):
        code = f"import sys, components.parts.targets.{name}; assert 'torch' not in sys.modules"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
