"""Schemathesis over the whole OpenAPI document of a served package, where it is installed.

It is no dependency of the project: ``uv tool install schemathesis``, or SCHEMATHESIS names it.
"""

import os
import re
import shutil
import subprocess

import pytest

from tests import served
from tests.packaged import packed
from tests.serving.conftest import free_port

# Not the two that want a schema to say everything: it cannot say that one of two fields is needed,
# nor how long the text of a number may be. Nor the one of methods: `r/media/text` and `delete` are
# addresses of their own and such of records too, which may be put and deleted.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_generated_request_gets_a_fault_or_an_undocumented_answer(tmp_path):
    program = os.environ.get("SCHEMATHESIS") or shutil.which("schemathesis")
    if program is None:
        pytest.skip("schemathesis is not installed: uv tool install schemathesis")
    port = free_port()
    options = ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing,stateful"]
    options += ["--max-examples", "60", "--seed", "1", "--max-time", "150", "--no-color"]
    options += ["--continue-on-failure", "--request-timeout", "60"]
    with served.server(packed().package, port):
        done = subprocess.run(
            [program, "run", f"http://127.0.0.1:{port}/openapi.json", *options],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"NO_PROXY": "*", "no_proxy": "*"},
        )
    assert done.returncode == 0, done.stdout[-5000:]
    cases = re.search(r"([\d,]+) generated", done.stdout)
    assert cases, done.stdout
    assert int(cases[1].replace(",", "")) > 2000
