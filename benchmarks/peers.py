"""The transform of this package and those of other packages.

Each function takes coefficients `(maps, L, L)`, complex64, `[map, l, m]`, `m ≥ 0`, of real
functions in orthonormal harmonics, and the name of a grid. It returns `(given, round_trip,
gradient)`: the coefficients in its own layout and arrays, a function that transforms them to maps
and back, and one that also computes the gradient of the sum of squares of the result, or `None`.
Tables are computed in float64 where the library can, then rounded to float32.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from concurrent import futures

import numpy as np

from benchmarks.harness import cores

CHANNELS = 16


@dataclasses.dataclass(frozen=True)
class Transform:
    """A function of this module, with the package that it needs and a remark on its grid."""

    make: Callable
    module: str
    remark: str
    largest: float = math.inf  # resolution; larger tables take gigabytes, or minutes to compute
    largest_gradient: float = math.inf  # likewise of what the gradient keeps


def ours(drawn, kind="driscoll_healy", method="sep", jit=False):
    """`isht` and `sht` in TensorFlow, channels last."""
    from spherical_cnn.sphere.sht import isht, sht

    given, grid = _ours(drawn, kind)
    return _there_and_back(
        given, lambda x: isht(x, grid, method), lambda x: sht(x, grid, method), jit
    )


def ours_in_layers(drawn):
    """`synthesize` and `analyze` in TensorFlow with XLA, in the layouts of the layers."""
    from spherical_cnn.sphere.spectral import analyze, join, synthesize, to_order_first

    given, grid = _ours(drawn)
    return _there_and_back(
        to_order_first(given),
        lambda x: synthesize([x], grid),
        lambda x: join(analyze(x, grid, grid.bandwidth)),
        jit=True,
    )


def _ours(drawn, kind="driscoll_healy"):
    """Returns the coefficients `(batch, L, 2L-1, channel)` and the grid."""
    import tensorflow as tf

    from spherical_cnn.sphere.grid import SphericalGrid
    from spherical_cnn.sphere.sht import from_complex

    bandwidth = drawn.shape[1]
    coefficients = drawn.reshape(-1, CHANNELS, bandwidth, bandwidth).transpose(0, 2, 3, 1)
    grid = {
        "driscoll_healy": SphericalGrid,
        "gauss_legendre": SphericalGrid.gauss_legendre,
        "poles": lambda n: SphericalGrid.equiangular(2 * n, 2 * n, bandwidth=n),
    }[kind](bandwidth)
    return tf.constant(from_complex(coefficients[:, None]), tf.float32), grid


def _there_and_back(given, inverse, forward, jit):
    import tensorflow as tf

    options = {"jit_compile": jit, "autograph": False}

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(forward(inverse(x))))
        return tape.gradient(loss, x)

    there, back, slope = (tf.function(f, **options) for f in (inverse, forward, gradient))
    return given, lambda: back(there(given)).numpy(), lambda: slope(given).numpy()


def torch_harmonics(drawn, grid="equiangular"):
    """The transform of torch-harmonics."""
    import torch
    import torch_harmonics

    torch.set_num_threads(cores())
    bandwidth = drawn.shape[1]
    rows = bandwidth if grid == "legendre-gauss" else 2 * bandwidth
    shape = (rows, 2 * bandwidth, bandwidth, bandwidth)
    inverse = torch_harmonics.InverseRealSHT(*shape, grid=grid).float()
    forward = torch_harmonics.RealSHT(*shape, grid=grid).float()
    given = torch.from_numpy(drawn)

    def gradient():
        start = given.clone().requires_grad_()
        forward(inverse(start)).abs().square().sum().backward()
        return start.grad

    return given, torch.inference_mode()(lambda: forward(inverse(given))), gradient


def s2fft(drawn, sampling="dh"):
    """The precomputed transform of s2fft, on JAX."""
    import jax
    from s2fft.precompute_transforms import construct, spherical

    bandwidth = drawn.shape[1]
    order = np.arange(1, bandwidth)
    negative = (-1.0) ** order * drawn[:, :, 1:].conj()
    given = np.concatenate([negative[:, :, ::-1], drawn], axis=2).astype(np.complex64)
    given = jax.numpy.asarray(given)

    def compiled(function, forward):
        table = construct.spin_spherical_kernel(
            bandwidth, reality=True, sampling=sampling, forward=forward
        )
        options = {"kernel": jax.numpy.asarray(table, "float32"), "method": "jax"}
        options |= {"L": bandwidth, "sampling": sampling, "reality": True}
        return jax.vmap(functools.partial(function, **options))

    inverse, forward = compiled(spherical.inverse, False), compiled(spherical.forward, True)
    there, back = jax.jit(inverse), jax.jit(forward)
    slope = jax.jit(jax.grad(lambda x: jax.numpy.sum(jax.numpy.abs(forward(inverse(x))) ** 2)))
    return (
        given,
        lambda: back(there(given)).block_until_ready(),
        lambda: slope(given).block_until_ready(),
    )


def e3nn(drawn):
    """The grid transform of e3nn."""
    import torch
    from e3nn import o3

    torch.set_num_threads(cores())
    bandwidth = drawn.shape[1]
    size = (2 * bandwidth, 2 * bandwidth - 1)
    options = {"normalization": "integral", "dtype": torch.float64}
    inverse = o3.ToS2Grid(bandwidth - 1, size, **options).float()
    forward = o3.FromS2Grid(size, bandwidth - 1, **options).float()
    signed = _signed(drawn)
    rows = (signed[:, l, bandwidth - 1 - l : bandwidth + l] for l in range(bandwidth))
    given = torch.from_numpy(np.concatenate(list(rows), axis=1))
    return given, torch.inference_mode()(lambda: forward(inverse(given))), None


def ducc(drawn, geometry="DH"):
    """The transform of ducc0, without tables. A thread per map is faster than threads in a map."""
    import ducc0

    bandwidth = drawn.shape[1]
    kind = {"spin": 0, "lmax": bandwidth - 1, "mmax": bandwidth - 1, "geometry": geometry}
    rows = bandwidth if geometry == "GL" else 2 * bandwidth
    size = {"ntheta": rows, "nphi": 2 * bandwidth}
    degree, order = np.tril_indices(bandwidth)
    by_order = np.lexsort((degree, order))
    given = drawn[:, None, degree[by_order], order[by_order]]
    back = np.empty_like(given)
    pool = futures.ThreadPoolExecutor(cores())

    def share(first):
        for i in range(first, len(given), cores()):
            signal = ducc0.sht.synthesis_2d(alm=given[i], **kind, **size)
            ducc0.sht.analysis_2d(map=signal, alm=back[i], **kind)

    def go():
        list(pool.map(share, range(cores())))
        return back

    return given, go, None


def shtools(drawn):
    """The Driscoll–Healy transform of pyshtools, without tables."""
    from pyshtools import expand

    bandwidth = drawn.shape[1]
    signed = _signed(drawn.astype(np.complex128))
    cosine, sine = signed[:, :, bandwidth - 1 :], signed[:, :, bandwidth - 1 :: -1].copy()
    sine[:, :, 0] = 0
    given = np.stack([cosine, sine], axis=1)
    options = {"norm": 4, "csphase": -1, "sampling": 1}

    def go():
        return np.stack(
            [expand.SHExpandDH(expand.MakeGridDH(x, **options), **options) for x in given]
        )

    return given, go, None


def _signed(drawn):
    """Returns the coefficients `(maps, L, 2L-1)` in the real basis."""
    from spherical_cnn.sphere.sht import from_complex

    return from_complex(drawn[:, None, ..., None])[..., 0].astype(drawn.real.dtype)


_OURS = "Driscoll–Healy, n × n"
_GAUSS = "Gauss–Legendre, n/2 × n"
_JIT = functools.partial(ours, jit=True)
_NAIVE = functools.partial(ours, method="naive")
TRANSFORMS = {
    "ours, as the layers call it": Transform(
        ours_in_layers, "tensorflow", _OURS + "; layouts of the layers, jit_compile"
    ),
    "ours, jit_compile": Transform(_JIT, "tensorflow", _OURS),
    "ours": Transform(ours, "tensorflow", _OURS),
    "ours, naive": Transform(_NAIVE, "tensorflow", _OURS, 128, largest_gradient=64),
    "ours, jit_compile, Gauss–Legendre": Transform(
        functools.partial(_JIT, kind="gauss_legendre"), "tensorflow", _GAUSS
    ),
    "ours, jit_compile, poles": Transform(
        functools.partial(_JIT, kind="poles"), "tensorflow", "both poles, n × n"
    ),
    "torch-harmonics": Transform(torch_harmonics, "torch_harmonics", "both poles, n × n"),
    "torch-harmonics, Gauss–Legendre": Transform(
        functools.partial(torch_harmonics, grid="legendre-gauss"), "torch_harmonics", _GAUSS
    ),
    "s2fft": Transform(s2fft, "s2fft", "dh, n × (n-1); precomputed, JAX", largest_gradient=64),
    "s2fft, Gauss–Legendre": Transform(
        functools.partial(s2fft, sampling="gl"),
        "s2fft",
        "gl, n/2 × (n-1); precomputed, JAX",
        largest_gradient=64,
    ),
    "e3nn": Transform(e3nn, "e3nn", "its own, n × (n-1)", largest=64),
    "ducc0": Transform(ducc, "ducc0", _OURS + "; no tables"),
    "ducc0, Gauss–Legendre": Transform(
        functools.partial(ducc, geometry="GL"), "ducc0", _GAUSS + "; no tables"
    ),
    "pyshtools": Transform(shtools, "pyshtools", _OURS + "; no tables, one thread, float64"),
}
