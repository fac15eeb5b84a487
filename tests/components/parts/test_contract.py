"""The contract of every part; new files are picked up automatically."""

import atexit
import base64
import dataclasses
import functools
import importlib.metadata
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from components.core.errors import BadInput, UsageError
from components.parts import loading as parts
from components.parts.contracts import decoded, is_sparse
from components.parts.guess import Column
from components.parts.labelling import Evidence
from components.parts.network import ModelOutput
from tests import pretrained
from tests.sounds import encoded
from tests.synthetic import COLUMNS, modalities, records

NAMES = ("audio", "image", "text")
B, DIM, K = 12, 8, 5
SUBSETS = [s for n in (1, 2, 3) for s in itertools.combinations(range(3), n)]
ALL = [(family, name) for family in parts.FAMILIES for name in parts.available(family)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_every_folder_of_parts_is_a_family():
    folders = {
        p.name for p in Path(parts.__file__).parent.iterdir() if (p / "__init__.py").exists()
    }
    assert folders == set(parts.FAMILIES)


@pytest.mark.parametrize(("family", "name"), ALL)
class TestPart:
    def test_its_source_is_a_paper_or_standard_that_a_reader_can_find(self, family, name):
        _, _, source = parts.load(family, name).__doc__.partition("Source:")
        assert re.search(r"\b(18|19|20)\d\d\b|arXiv:\d{4}\.\d{4,5}", source)
        assert not re.search(r"\bmethod [A-Z]\d|\b[A-Z]\d\d\b", source)

    def test_its_config_is_frozen_described_and_has_defaults(self, family, name):
        config = parts.configure(family, name, {})
        with pytest.raises(AttributeError, match="cannot assign"):
            config.anything = 1
        described = type(config).__doc__
        assert all(f"{field.name}:" in described for field in dataclasses.fields(config))

    def test_its_defaults_pass_its_own_checks_when_they_are_written_out(self, family, name):
        config = parts.configure(family, name, {})
        assert parts.configure(family, name, dataclasses.asdict(config)) == config

    def test_an_unknown_option_is_refused_with_its_path(self, family, name):
        with pytest.raises(UsageError, match=r"^here\.nothing_of_that_name: unknown option"):
            parts.configure(family, name, {"nothing_of_that_name": 1}, where="here")


def present_with(subset):
    present = torch.zeros(B, 3, dtype=torch.bool)
    present[:, list(subset)] = True
    return present


def fusion(name, dropout=0.0):
    return parts.load("fusion", name).build(
        parts.configure("fusion", name, {}), names=NAMES, dim=DIM, dropout=dropout
    )


def fusion_inputs():
    return {n: torch.randn(B, DIM, requires_grad=True) for n in NAMES}


@pytest.mark.parametrize("name", parts.available("fusion"))
class TestFusion:
    @pytest.mark.parametrize("subset", SUBSETS)
    def test_any_subset_gives_a_finite_vector(self, name, subset):
        found = fusion(name)(fusion_inputs(), present_with(subset))
        assert found.shape == (B, DIM)
        assert torch.isfinite(found).all()

    def test_gradients_reach_parameters_and_present_parts(self, name):
        module, inputs = fusion(name), fusion_inputs()
        module(inputs, present_with((0, 1, 2))).square().sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())
        assert all(x.grad.abs().sum() > 0 for x in inputs.values())

    def test_a_record_does_not_depend_on_the_others(self, name):
        module, inputs = fusion(name).eval(), fusion_inputs()
        whole = module(inputs, present_with((0, 2)))
        one = module({n: x[3:4] for n, x in inputs.items()}, present_with((0, 2))[3:4])
        assert torch.allclose(whole[3:4], one, atol=1e-6)

    def test_the_same_seed_gives_the_same_answer_and_a_copy_through_bytes_too(self, name):
        answers = []
        for _ in range(2):
            torch.manual_seed(7)
            module, inputs = fusion(name).eval(), fusion_inputs()
            answers.append(module(inputs, present_with((1,))))
        assert torch.equal(*answers)
        other = fusion(name).eval()
        other.load_state_dict(load(save(module.state_dict())))
        assert torch.equal(other(inputs, present_with((1,))), answers[1])


def output():
    unit = functools.partial(nn.functional.normalize, dim=1)
    leaves = [torch.randn(B, size, requires_grad=True) for size in (K, K, K, K, DIM, DIM, DIM)]
    return leaves, ModelOutput(
        logits=leaves[0],
        modality_logits=dict(zip(NAMES, leaves[1:4], strict=True)),
        embeddings={n: unit(x) for n, x in zip(NAMES, leaves[4:], strict=True)},
        fused=unit(torch.randn(B, DIM)),
    )


def loss(name):
    return parts.load("losses", name).build(parts.configure("losses", name, {}))


def targets():
    return torch.randn(B, K).softmax(1), torch.rand(B).clamp_min(0.1)


@pytest.mark.parametrize("name", parts.available("losses"))
class TestLoss:
    @pytest.mark.parametrize("subset", SUBSETS)
    def test_any_subset_gives_a_finite_number_with_gradients(self, name, subset):
        leaves, out = output()
        value = loss(name)(out, *targets(), present_with(subset))
        assert value.shape == ()
        assert torch.isfinite(value)
        assert value >= 0
        value.backward()
        assert all(x.grad is None or torch.isfinite(x.grad).all() for x in leaves)

    def test_absent_rows_change_neither_value_nor_gradient(self, name):
        _, out = output()
        present = torch.rand(B, 3) > 0.4
        present[:, 0] = True
        want, made = targets(), loss(name)
        value = made(out, *want, present)
        garbage = ModelOutput(
            logits=out.logits,
            modality_logits={
                n: x + ~present[:, i, None] * 99.0
                for i, (n, x) in enumerate(out.modality_logits.items())
            },
            embeddings={
                n: x + ~present[:, i, None] * 99.0
                for i, (n, x) in enumerate(out.embeddings.items())
            },
            fused=out.fused,
        )
        assert torch.allclose(made(garbage, *want, present), value)

    def test_rows_without_weight_may_have_any_target(self, name):
        _, out = output()
        want, weights = targets()
        weights[:5] = 0
        other = want.clone()
        other[:5] = torch.randn(5, K).softmax(1)
        made = loss(name)
        assert torch.equal(
            made(out, want, weights, present_with((0, 1))),
            made(out, other, weights, present_with((0, 1))),
        )

    def test_no_labels_and_no_pairs_give_zero_that_can_be_stepped(self, name):
        _, out = output()
        made = loss(name)
        value = made(out, targets()[0], torch.zeros(B), present_with((1,)))
        assert value.item() == 0
        value.backward()

    def test_the_slope_is_that_of_the_value(self, name):
        made, (_, out), want, present = loss(name), output(), targets(), present_with((0, 1, 2))
        towards = torch.randn_like(out.embeddings["text"])
        moved_logits = torch.randn_like(out.logits)

        def at(step):
            shown = {"modality_logits": out.modality_logits, "fused": out.fused}
            vectors = out.embeddings | {"text": out.embeddings["text"] + step * towards}
            return made(
                ModelOutput(logits=out.logits + step * moved_logits, embeddings=vectors, **shown),
                *want,
                present,
            )

        step = torch.tensor(0.0, requires_grad=True)
        (slope,) = torch.autograd.grad(at(step), step)
        assert slope.item() == pytest.approx(
            (at(1e-3) - at(-1e-3)).item() / 2e-3, rel=2e-2, abs=2e-3
        )

    def test_parameters_survive_bytes(self, name):
        made = loss(name)
        if isinstance(made, nn.Module):
            (_, out), want, other = output(), targets(), loss(name)
            other.load_state_dict(load(save(made.state_dict())))
            assert torch.equal(
                other(out, *want, present_with((0, 1))), made(out, *want, present_with((0, 1)))
            )


def evidence(n, rng, present=None):
    draw = lambda: rng.dirichlet(np.ones(K), n)  # noqa: E731
    shown = rng.random((n, 3)) > 0.4 if present is None else present
    shown[~shown.any(axis=1), 0] = True
    return Evidence(fused=draw(), by_modality={m: draw() for m in NAMES}, present=shown)


def labeller(name):
    return parts.load("labellers", name).build(parts.configure("labellers", name, {}))


@pytest.mark.parametrize("name", parts.available("labellers"))
class TestLabeller:
    @pytest.mark.parametrize("n", [0, 1, 60])
    def test_every_record_gets_one_answer(self, name, n):
        rng = np.random.default_rng(0)
        found = labeller(name)(
            evidence(n, rng), evidence(30, rng), rng.integers(0, K, 30), np.full(K, 1 / K)
        )
        assert found.labels.shape == found.confidence.shape == found.accepted.shape == (n,)
        assert len(found.sources) == len(found.reasons) == n
        assert found.thresholds.shape == (K,)
        assert ((found.labels >= 0) & (found.labels < K)).all()
        assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
        assert set(itertools.chain(*found.sources)) <= {"fused", *NAMES}

    def test_it_works_without_validation_labels(self, name):
        rng = np.random.default_rng(0)
        found = labeller(name)(
            evidence(20, rng), evidence(0, rng), np.empty(0, np.int64), np.full(K, 1 / K)
        )
        assert len(found.labels) == 20

    def test_absent_modalities_are_never_read(self, name):
        rng = np.random.default_rng(1)
        pool, known, labels = evidence(50, rng), evidence(30, rng), rng.integers(0, K, 30)
        other = Evidence(
            fused=pool.fused,
            by_modality={
                m: np.where(pool.present[:, [i]], p, 1 / K)
                for i, (m, p) in enumerate(pool.by_modality.items())
            },
            present=pool.present,
        )
        prior = np.full(K, 1 / K)
        a, b = (labeller(name)(x, known, labels, prior) for x in (pool, other))
        assert a.accepted.tolist() == b.accepted.tolist()
        assert a.sources == b.sources

    def test_the_same_evidence_gives_the_same_answers(self, name):
        rng = np.random.default_rng(2)
        given = (evidence(50, rng), evidence(30, rng), rng.integers(0, K, 30), np.full(K, 1 / K))
        a, b = labeller(name)(*given), labeller(name)(*given)
        assert a.accepted.tolist() == b.accepted.tolist()
        assert a.confidence.tolist() == b.confidence.tolist()


def given(name):
    """A kind, and raw values that it decodes."""
    if name == "audio":
        noise = np.random.default_rng(0).normal(0, 0.1, (6, 20_000))
        sounds = [encoded(row[: 2000 + 3000 * i]) for i, row in enumerate(noise)]
        return parts.load("kinds", name).build(
            parts.configure("kinds", name, {}), name="sound", columns={}
        ), sounds
    key = next(k for k, c in COLUMNS.items() if c["kind"] == name)
    values = [v for v in records(40).raws[key] if v is not None]
    return modalities((key,))[key].kind, values


@pytest.mark.parametrize("name", parts.available("kinds"))
class TestKind:
    def made(self, name):
        return given(name)

    def test_it_declares_all_that_others_ask_for(self, name):
        module = parts.load("kinds", name)
        assert module.RAW in ("bytes", "text", "fields")
        assert isinstance(module.VERSION, int)
        assert module.ACCEPTS
        assert all(suffix.startswith(".") for suffix in module.SUFFIXES)
        assert set(module.MEDIA_TYPES) == set(module.SUFFIXES)
        assert all(parts.source("encoders", encoder) for encoder in module.ENCODERS)
        assert module.guess(Column()) is None
        for library in module.LIBRARIES:
            assert importlib.metadata.version(library)

    def test_content_tells_values_apart(self, name):
        kind, values = self.made(name)
        other = next(v for v in values if v != values[0])
        assert kind.content(values[0]) == self.made(name)[0].content(values[0])
        assert kind.content(values[0]) != kind.content(other)

    def test_a_value_of_another_type_is_refused_with_its_field(self, name):
        kind, _ = self.made(name)
        for wrong in (3.5, None, [1]):
            with pytest.raises(BadInput) as caught:
                kind.decode(wrong)
            assert caught.value.field.startswith(kind.name)

    def test_faults_stand_in_the_place_of_their_values(self, name):
        kind, values = self.made(name)
        found = decoded(kind, [values[0], 3.5, values[1]])
        assert [isinstance(v, BadInput) for v in found] == [False, True, False]

    def test_a_preview_has_a_media_type(self, name):
        kind, values = self.made(name)
        preview = kind.preview(values[0], kind.decode(values[0]))
        assert "/" in parts.load("kinds", name).preview_type(preview)

    def test_the_example_fits_the_schema_and_can_be_decoded(self, name):
        kind, _ = self.made(name)
        jsonschema.validate(kind.example(), kind.schema())
        raw = kind.example()
        if parts.load("kinds", name).RAW == "bytes":
            raw = base64.b64decode(raw)
        assert kind.decode(raw) is not None

    def test_it_imports_no_torch(self, name):
        code = f"import sys, components.parts.kinds.{name}; assert 'torch' not in sys.modules"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


NAMED = "transformers"
"""The encoder that has no model of its own, so that one must be named."""


@functools.cache
def tiny_model():
    """The folder of a pretrained model that reads pictures."""
    folder = tempfile.mkdtemp(prefix="concord-model-")
    atexit.register(shutil.rmtree, folder)
    pretrained.saved("dinov2", Path(folder))
    return folder


def encoder_of(name):
    """The encoder, and values that it reads, decoded."""
    module = parts.load("encoders", name)
    kind, raws = given(module.KIND if isinstance(module.KIND, str) else module.KIND[0])
    options = {"model": tiny_model()} if name == NAMED else {}
    encoder = module.build(parts.configure("encoders", name, options), kind=kind)
    return encoder, [kind.decode(raw) for raw in raws]


SPARSE = [
    name for name in parts.available("encoders") if name != NAMED and is_sparse(encoder_of(name)[0])
]
DENSE = [name for name in parts.available("encoders") if name not in SPARSE]


@pytest.mark.parametrize("name", parts.available("encoders"))
class TestAnyEncoder:
    def test_the_digest_is_stable(self, name):
        assert encoder_of(name)[0].digest() == encoder_of(name)[0].digest()

    def test_it_imports_no_torch_until_it_computes_with_it(self, name):
        code = f"import sys, components.parts.encoders.{name}; assert 'torch' not in sys.modules"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", SPARSE)
class TestSparseEncoder:
    def test_rows_have_the_promised_shape_and_order(self, name):
        encoder, values = encoder_of(name)
        for given in (values, []):
            rows = encoder.encode(given)
            assert rows.shape == (len(given), *encoder.shape)
            assert rows.dtype == encoder.dtype
            assert rows.has_canonical_format

    def test_a_value_encodes_alone_as_among_others(self, name):
        encoder, values = encoder_of(name)
        assert (encoder.encode(values)[[3]] != encoder.encode(values[3:4])).nnz == 0


@pytest.mark.parametrize("name", DENSE)
class TestEncoder:
    def made(self, name):
        """The encoder, values that it reads, decoded, and their inputs."""
        encoder, values = encoder_of(name)
        return encoder, values, torch.from_numpy(encoder.encode(values))

    def test_inputs_have_the_promised_shape_and_feed_the_network(self, name):
        encoder, values, inputs = self.made(name)
        assert inputs.shape == (len(values), *encoder.shape)
        assert inputs.numpy().dtype == encoder.dtype
        assert encoder.encode([]).shape == (0, *encoder.shape)
        network = encoder.network()
        network.fit_statistics(inputs)
        assert network(inputs).shape == (len(values), network.out_dim)
        assert network.augment(inputs).shape == inputs.shape
        network.fit_statistics(inputs[:0])
        if list(network.parameters()):
            network(inputs).square().sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in network.parameters())

    def test_a_value_encodes_alone_as_among_others(self, name):
        encoder, values, inputs = self.made(name)
        alone = encoder.encode(values[3:4])
        assert np.allclose(inputs[3:4].numpy(), alone, atol=1e-6, equal_nan=True)

    def test_a_record_does_not_depend_on_the_others_in_the_network(self, name):
        encoder, _, inputs = self.made(name)
        network = encoder.network().eval()
        assert torch.allclose(network(inputs)[2:3], network(inputs[2:3]), atol=1e-5)

    def test_a_network_survives_bytes(self, name):
        encoder, _, inputs = self.made(name)
        network, other = encoder.network(), encoder.network()
        network.fit_statistics(inputs)
        other.load_state_dict(load(save(network.state_dict())))
        assert torch.equal(other(inputs), network(inputs))


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
