"""The script that measures a GPU, in its short form on the processor."""

import json

import pytest
import torch

from benchmarks import gpu


def test_the_short_form_goes_through_everything(capsys):
    gpu.main(["--short"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["benchmark"] for line in lines] == [
        "gpu_losses", "gpu_path", "gpu_steps", "gpu_encode",
    ]  # fmt: skip
    assert lines[0]["largest_relative_difference"] == 0, "here both devices are the processor"
    assert set(gpu.PATH) <= set(lines[1])
    assert lines[2]["met"] is None, "what a GPU does stays open"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to measure")
def test_without_a_gpu_it_says_that_the_figures_stay_open():
    with pytest.raises(SystemExit, match="stay open; try --short"):
        gpu.main([])
