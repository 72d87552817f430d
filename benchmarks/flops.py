"""Counts the floating-point operations of matrix products in a TensorFlow function."""

import math

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
UNKNOWN = ("Conv", "DepthwiseConv", "FFT", "IFFT", "RFFT", "IRFFT", "XlaDot", "SparseTensorDense")
UNKNOWN += ("If", "StatelessIf", "Case", "While", "StatelessWhile")


def product_flops(function, *signature):
    """Operations of the matrix products that contribute to what a function returns or updates.

    A multiplication and an addition are two operations. Elementwise operations do not count. Raises
    `ValueError` if the graph has loops or convolutions, or if a shape of the signature is unknown.
    """
    import tensorflow as tf

    return _count(tf.function(function).get_concrete_function(*signature).graph)


def _count(graph):
    # Walks back from the results, because gradients leave operations that nothing reads.
    pending = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    reached = set()
    while pending:
        operation = pending.pop()
        if operation not in reached:
            reached.add(operation)
            pending += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    return sum(_flops(graph, operation) for operation in reached)


def _flops(graph, operation):
    kind = operation.type
    if kind == "MatMul" or kind.startswith("BatchMatMul"):
        transposed = operation.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
        summed_over = _shape(operation.inputs[0])[-2 if transposed else -1]
        return 2 * math.prod(_shape(operation.outputs[0])) * summed_over
    if kind == "Einsum" and len(operation.inputs) > 1:
        letters = operation.get_attr("equation").decode().partition("->")[0].split(",")
        sizes = {}
        for names, tensor in zip(letters, operation.inputs, strict=True):
            sizes.update(zip(names, _shape(tensor), strict=True))
        return 2 * math.prod(sizes.values())
    if kind in CALLS:
        return _count(graph._get_function(operation.get_attr("f").name).graph)
    if kind.startswith(UNKNOWN):
        raise ValueError(f"{kind} ({operation.name}): its operations cannot be counted")
    return 0


def _shape(tensor):
    shape = tensor.shape.as_list()
    if None in shape:
        raise ValueError(f"{tensor.name}: expected a static shape. Received: {shape}")
    return shape
