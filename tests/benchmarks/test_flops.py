"""Operations counted in a graph."""

import pytest
import tensorflow as tf

from benchmarks.flops import product_flops

VECTORS = tf.TensorSpec((3, 5))


@pytest.fixture
def matrix():
    return tf.Variable(tf.ones((5, 7)))


def test_products_of_all_kinds(matrix):
    one = 2 * 3 * 5 * 7
    assert product_flops(lambda x: x @ matrix + 1.0, VECTORS) == one
    assert product_flops(lambda x: tf.matmul(x, x, transpose_a=True), VECTORS) == 2 * 5 * 5 * 3
    assert product_flops(lambda x: tf.einsum("bi,ij->jb", x, matrix), VECTORS) == one
    batch = tf.TensorSpec((4, 5, 3))
    adjoint = tf.ones((4, 5, 2))
    assert (
        product_flops(lambda x: tf.matmul(x, adjoint, adjoint_a=True), batch) == 4 * 2 * 3 * 2 * 5
    )


def test_inside_functions_too(matrix):
    inner = tf.function(lambda x: x @ matrix, jit_compile=True)
    assert product_flops(lambda x: inner(x) + x @ matrix, VECTORS) == 2 * 2 * 3 * 5 * 7


def test_updates_count_and_what_no_one_reads_does_not(matrix):
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.ones((4, 3, 3)) @ (x @ matrix))
        of_input, of_matrix = tape.gradient(loss, [x, matrix])
        matrix.assign_sub(of_matrix)
        return loss

    one, batch = 2 * 3 * 5 * 7, 4 * 2 * 3 * 3 * 7
    assert product_flops(step, VECTORS) == 2 * one + 2 * batch


@pytest.mark.parametrize(
    ("function", "signature", "message"),
    [
        (lambda x: tf.signal.rfft(x), VECTORS, "RFFT"),
        (
            lambda x: tf.while_loop(lambda y: True, lambda y: [y @ y], [x]),
            tf.TensorSpec((2, 2)),
            "While",
        ),
        (lambda x: x @ tf.ones((5, 2)), tf.TensorSpec((None, 5)), "static"),
    ],
)
def test_what_cannot_be_counted_is_refused(function, signature, message):
    with pytest.raises(ValueError, match=message):
        product_flops(function, signature)
