"""Writes an ONNX graph node by node. Imported where weights are turned into a graph."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 20
"""It has normalisation and the exact Gaussian unit as one node each."""


class Graph:
    """Collects the nodes and weights of a graph, each node reading what the one before gave."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401
        """One node; returns the name of what it gives."""
        from onnx import helper

        name = f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, values: NDArray[Any]) -> str:
        """The name of an array that is part of the graph."""
        from onnx import numpy_helper

        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def number(self, value: float) -> str:
        """A single number that is part of the graph."""
        return self.weight(np.array(value, np.float32))

    def whole(self, *values: int) -> str:
        """Whole numbers that are part of the graph."""
        return self.weight(np.array(values, np.int64))

    def model(
        self, name: str, inputs: dict[str, tuple[str, list[Any]]], last: str, dim: int
    ) -> bytes:
        """The graph as a file.

        Args:
            name: of the graph.
            inputs: name to number type (of ONNX) and shape, with names for lengths that vary.
            last: what the graph gives, ``(n, dim)``.
            dim: its width.
        """
        from onnx import TensorProto, helper

        given = [
            helper.make_tensor_value_info(own, getattr(TensorProto, kind), shape)
            for own, (kind, shape) in inputs.items()
        ]
        made = helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", dim])
        graph = helper.make_graph(self.nodes, name, given, [made], self.weights)
        opset = helper.make_opsetid("", OPSET)
        # onnxruntime reads files of earlier formats only; 9 belongs to this opset.
        whole: bytes = helper.make_model(
            graph, opset_imports=[opset], ir_version=9
        ).SerializeToString()
        return whole
