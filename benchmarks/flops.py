"""Floating-point operations of the products in a traced TensorFlow function.

They are counted in the graph, so the count follows the implementation.
"""

import math

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
BRANCHES = ("If", "StatelessIf", "Case", "While", "StatelessWhile")
UNKNOWN = ("Conv", "DepthwiseConv", "FFT", "IFFT", "RFFT", "IRFFT", "XlaDot", "SparseTensorDense")


def product_flops(function, *signature):
    """Operations of all matrix products that contribute to what a function returns or updates.

    A multiplication and an addition are two. Sums, sine and the like are not counted.

    Args:
        function: of tensors.
        signature: `tf.TensorSpec`s, or nests of them, of static shapes.

    Returns:
        int.

    Raises:
        ValueError: if the graph has operations of another kind that multiply, or loops.
    """
    import tensorflow as tf

    return _count(tf.function(function).get_concrete_function(*signature).graph)


def _count(graph):
    return sum(_flops(graph, operation) for operation in _reached(graph))


def _reached(graph):
    """Operations that outputs or side effects depend on: gradients leave others behind."""
    pending = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    reached = set()
    while pending:
        operation = pending.pop()
        if operation not in reached:
            reached.add(operation)
            pending += [tensor.op for tensor in operation.inputs]
            pending += operation.control_inputs
    return reached


def _flops(graph, operation):
    kind = operation.type
    if kind == "MatMul":
        return 2 * _size(operation.outputs[0]) * _inner(operation, "transpose_a")
    if kind.startswith("BatchMatMul"):
        return 2 * _size(operation.outputs[0]) * _inner(operation, "adj_x")
    if kind == "Einsum":
        return _einsum(operation)
    if kind in CALLS:
        return _count(graph._get_function(operation.get_attr("f").name).graph)
    if kind.startswith(UNKNOWN) or kind in BRANCHES:
        raise ValueError(f"{kind} ({operation.name}): its operations cannot be counted")
    return 0


def _inner(operation, transposed):
    """Length of the axis summed over."""
    return _shape(operation.inputs[0])[-2 if operation.get_attr(transposed) else -1]


def _einsum(operation):
    """Twice the product of the lengths of all letters, if there are two factors."""
    if len(operation.inputs) < 2:
        return 0
    letters = operation.get_attr("equation").decode().partition("->")[0].split(",")
    sizes = {}
    for names, tensor in zip(letters, operation.inputs, strict=True):
        sizes.update(zip(names, _shape(tensor), strict=True))
    return 2 * math.prod(sizes.values())


def _size(tensor):
    return math.prod(_shape(tensor))


def _shape(tensor):
    shape = tensor.shape.as_list()
    if None in shape:
        raise ValueError(f"{tensor.name}: expected a static shape. Received: {shape}")
    return shape
