"""Manifests against the schemas that Kubernetes publishes, and rules beyond the schemas."""

import kubernetes_validate
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.config.trainer import KubernetesTrainer
from components.pods import exit_codes
from infra.fitting import quantity
from infra.manifests import Work, job, job_name, service

VERSIONS = ("1.31", "1.35")
WORK = Work(
    name="concord-train-0123456789ab",
    task="train",
    run="r",
    config="/x/spec.json",
    out="/x",
    code="c" * 64,
)
SHARED = {"name": "exchange", "mount": "/exchange", "claim": "exchange"}
LEAST = {"where": "kubernetes", "image": "i", "exchange": {"uri": "/exchange"}, "volumes": [SHARED]}


def trainer(**changes):
    return KubernetesTrainer.model_validate({**LEAST, **changes})


def pod(config, work=WORK):
    return job(work, config)["spec"]["template"]["spec"]


def env(config):
    return {e["name"]: e.get("value") for e in pod(config)["containers"][0]["env"]}


names = st.from_regex(r"\A[a-z][a-z0-9]{0,12}\Z")
configs = st.fixed_dictionaries(
    {},
    optional={
        "gpus": st.integers(0, 8),
        "nodes": st.integers(1, 64),
        "shards": st.integers(1, 300),
        "cpu": st.floats(0.001, 64),
        "memory": st.sampled_from(["1", "512Mi", "64Gi", "1.5G"]),
        "spot": st.sampled_from([None, True, False]),
        "queue": names,
        "priority_class": names,
        "service_account": names,
        "device": st.sampled_from(["auto", "cpu"]),
        "image_pull_secrets": st.lists(names, max_size=2),
        "node_selector": st.dictionaries(names, names, max_size=2),
        "tolerations": st.lists(
            st.sampled_from(
                [
                    {"key": "a", "value": "b"},
                    {"operator": "Exists"},
                    {"key": "gpu", "operator": "Exists"},
                ]
            )
        ),
        "secrets": st.lists(
            st.builds(lambda k: {"env": f"S_{k.upper()}", "secret": "s", "key": k}, names),
            max_size=1,
        ),
        "env": st.dictionaries(names, st.text(max_size=5), max_size=2),
        "retries": st.integers(0, 10),
        "any_code": st.booleans(),
        "volumes": st.sampled_from(
            [
                [SHARED],
                [
                    SHARED,
                    {"name": "data", "mount": "/data", "host_path": "/data", "read_only": True},
                ],
                [SHARED, {"name": "more", "mount": "/more", "empty_dir": "1Gi"}],
            ]
        ),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=configs, parts=st.none() | st.integers(1, 100), elastic=st.booleans())
def test_every_manifest_fits_the_published_schemas(changes, parts, elastic):
    if elastic:
        changes = changes | {"min_nodes": 1}
    config = trainer(**changes)
    work = Work(**{**WORK.__dict__, "parts": parts})
    manifests = [m for m in (job(work, config), service(work, config, "uid")) if m]
    for manifest in manifests:
        for version in VERSIONS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_a_pod_may_do_nothing_that_training_does_not_need():
    spec = pod(trainer())
    container = spec["containers"][0]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    writable = {m["mountPath"] for m in container["volumeMounts"]}
    assert {env(trainer())[n] for n in ("CONCORD_CACHE", "HOME", "TMPDIR")} <= writable


def test_disruptions_are_looked_at_before_exit_codes_and_these_come_from_the_contract():
    rules = job(WORK, trainer())["spec"]["podFailurePolicy"]["rules"]
    assert [r["action"] for r in rules] == ["Ignore", "Ignore", "FailJob"]
    assert rules[0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert rules[1]["onExitCodes"]["values"] == list(exit_codes.NOT_COUNTED)
    assert rules[2]["onExitCodes"]["values"] == sorted(exit_codes.FAIL_AT_ONCE)
    assert {r["onExitCodes"]["containerName"] for r in rules[1:]} == {
        pod(trainer())["containers"][0]["name"]
    }


def test_one_device_is_a_plain_job_without_a_service():
    spec = job(WORK, trainer(gpus=1, retries=2, time_budget_s=60))["spec"]
    assert (spec["completionMode"], spec["completions"], spec["backoffLimit"]) == (
        "NonIndexed",
        1,
        2,
    )
    assert spec["activeDeadlineSeconds"] == 60
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["template"]["spec"]["containers"][0]["command"][:3] == [
        "python",
        "-m",
        "components.pods.entry",
    ]
    assert service(WORK, trainer(gpus=1), "uid") is None


@pytest.mark.parametrize(
    ("changes", "nodes", "processes"), [({"nodes": 2}, "2", "1"), ({"gpus": 4}, "1", "4")]
)
def test_several_processes_are_an_indexed_job_whose_pods_find_each_other(changes, nodes, processes):
    config = trainer(**changes, namespace="ml")
    spec = job(WORK, config)["spec"]
    command = spec["template"]["spec"]["containers"][0]["command"]
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == int(nodes)
    assert (options["--nodes"], options["--processes"]) == (nodes, processes)
    made = service(WORK, config, "the-uid")
    assert made is not None
    assert made["spec"]["clusterIP"] == "None"
    assert made["spec"]["publishNotReadyAddresses"] is True
    assert made["metadata"]["ownerReferences"][0]["uid"] == "the-uid"
    assert made["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    name = made["metadata"]["name"]
    assert spec["template"]["spec"]["subdomain"] == name
    assert (
        options["--rendezvous"] == f"{WORK.name}-0.{name}.ml.svc:{made['spec']['ports'][0]['port']}"
    )


def test_an_elastic_training_is_done_when_the_fewest_pods_are():
    spec = job(WORK, trainer(nodes=4, min_nodes=2))["spec"]
    assert spec["successPolicy"] == {"rules": [{"succeededCount": 2}]}
    assert "2:4" in spec["template"]["spec"]["containers"][0]["command"]


def test_each_shard_has_its_own_retries():
    spec = job(Work(**{**WORK.__dict__, "parts": 40}), trainer(retries=2))["spec"]
    assert (spec["completions"], spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (
        40,
        2,
        4,
    )
    assert "backoffLimit" not in spec


def test_what_is_asked_for_is_what_is_given():
    resources = pod(trainer(gpus=2, cpu=1.5, memory="8Gi"))["containers"][0]["resources"]
    assert resources["requests"] == {"cpu": "1500m", "memory": "8Gi", "nvidia.com/gpu": "2"}
    assert resources["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "2"}


def test_a_queue_gets_a_suspended_job_with_kueues_label():
    made = job(WORK, trainer(queue="gpus"))
    assert made["spec"]["suspend"] is True
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert "suspend" not in job(WORK, trainer())["spec"]


@pytest.mark.parametrize(("gpus", "rule"), [(0, "preferred"), (1, "required")])
def test_pods_of_one_training_go_to_different_nodes(gpus, rule):
    affinity = pod(trainer(nodes=2, gpus=gpus))["affinity"]["podAntiAffinity"]
    assert list(affinity) == [f"{rule}DuringSchedulingIgnoredDuringExecution"]


def required(config):
    terms = pod(config)["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    return [{e["key"]: (e["operator"], e["values"]) for e in t["matchExpressions"]} for t in terms]


def matches(term, labels):
    """The semantics of In and NotIn in the API documentation."""
    return all(
        (labels.get(key) in values) == (operator == "In")
        for key, (operator, values) in term.items()
    )


@pytest.mark.parametrize(
    ("labels", "interruptible"),
    [
        ({}, False),
        ({"eks.amazonaws.com/capacityType": "ON_DEMAND"}, False),
        ({"eks.amazonaws.com/capacityType": "SPOT"}, True),
        ({"cloud.google.com/gke-spot": "true"}, True),
    ],
)
def test_spot_chooses_nodes_of_any_provider(labels, interruptible):
    labels = labels | {"nvidia.com/gpu.product": "H100"}
    for spot in (True, False):
        terms = required(trainer(spot=spot, gpus=1, gpu_product="H100"))
        assert any(matches(t, labels) for t in terms) == (spot == interruptible)
        assert not any(matches(t, labels | {"nvidia.com/gpu.product": "T4"}) for t in terms)


def test_the_pod_knows_its_attempt_and_what_it_was_given():
    told = env(trainer(gpus=2, cpu=8, device="cuda", checkpoint_steps=7))
    assert told["CONCORD_GPUS"] == "2"
    assert told["CONCORD_DEVICE"] == "cuda"
    assert told["CONCORD_CHECKPOINT_STEPS"] == "7"
    assert told["CONCORD_CODE"] == WORK.code
    assert told["OMP_NUM_THREADS"] == "4"
    attempt = pod(trainer())["containers"][0]["env"][0]
    assert attempt == {
        "name": "CONCORD_ATTEMPT",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}},
    }
    assert "CONCORD_CODE" not in env(trainer(any_code=True))


def test_a_job_is_named_by_its_work_and_code():
    assert job_name("pseudo_label", "a", "b") == job_name("pseudo_label", "a", "b")
    assert (
        len({job_name("train", "a", "b"), job_name("train", "a", "c"), job_name("train", "b", "b")})
        == 3
    )
    assert job_name("pseudo_label", "a", "b").startswith("concord-pseudo-label-")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("250m", 0.25), ("2Gi", 2 * 1024**3), ("1.5G", 1.5e9), ("12e6", 12e6)],
)
def test_quantities(text, value):
    assert quantity(text) == value


@pytest.mark.parametrize(
    ("device", "gpus", "meant"),
    [("auto", 1, "cuda"), ("auto", 0, "cpu"), ("cpu", 1, "cpu"), ("cuda", 1, "cuda")],
)
def test_a_pod_is_told_the_device_that_the_block_means(device, gpus, meant):
    assert env(trainer(device=device, gpus=gpus))["CONCORD_DEVICE"] == meant
