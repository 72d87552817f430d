"""Golden files of records, and of what the original refuses."""

from __future__ import annotations

import re

import numpy as np
import tensorflow as tf
from parity.comparison import RECORD, swap

from spherical_cnn.data.records.codec import encode, parse, read_shard, split_complex
from spherical_cnn.data.records.frames import count_records
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.errors import ConfigError
from spherical_cnn.training.network import build_model
from spherical_cnn.training.run_config import RunConfig


def check_dataset_map(file):
    """Complex samples and labels through records, batches and the split into two channels."""
    x, y, batch_size = (file.input(name) for name in ("x", "y", "batch_size"))
    records = [encode(sample, label) for sample, label in zip(swap(x), y, strict=True)]
    record_format = RecordFormat(x.shape[1], x.dtype.name, x.shape[3])
    batches = tf.data.Dataset.from_tensor_slices(records).batch(int(batch_size))
    batches = [parse(batch, record_format) for batch in batches]
    signals = np.concatenate([batch["signal"] for batch in batches])
    labels = np.concatenate([batch["label"] for batch in batches])
    # Element by element: some lengths are huge.
    scale = np.maximum(np.abs(file.arrays["mapped"]), 1e-12)
    file.compare("mapped", swap(signals), RECORD, scale)
    file.exact("mapped_y", labels)
    file.exact("batch_sizes", [len(batch["label"]) for batch in batches])
    file.exact("mapped_dtype", signals.dtype.name)
    file.exact("y_dtype", labels.dtype.name)


def check_tfrecord(file):
    """`<shard>_<x|y|fname|idrot>` of the shard of that name, `_max<k>` its first k records."""
    for match in file.names(r"(\w+)_in_(x|a)"):
        channel = {"x": slice(None, -1), "a": slice(-1, None)}[match[2]]
        file.exact(match[0], file.arrays[f"{match[1]}_x"][..., channel])
    for match in file.names(r"((?:(?!_in_)\w)+?)(?:_max(\d+))?_x"):
        prefix, count = match[0].removesuffix("x"), match[2] and int(match[2])
        recorded = file.arrays[match[0]]
        (path,) = file.path.parent.glob(f"{match[1]}*.tfrecord")
        record_format = RecordFormat(recorded.shape[1], recorded.dtype.name, recorded.shape[3])
        records = list(read_shard(path, record_format))[:count]
        raw = np.stack([record.signal for record in records])
        file.exact(match[0], swap(raw))
        file.check(raw.dtype == recorded.dtype, f"{match[0]}: dtype {raw.dtype}")
        batches = tf.data.TFRecordDataset(str(path)).batch(count or len(records))
        parsed = next(iter(batches.map(lambda batch, f=record_format: parse(batch, f))))
        parsed = {key: value.numpy() for key, value in parsed.items()}
        expected = recorded if recorded.dtype.kind == "f" else split_complex(recorded).numpy()
        file.check(np.array_equal(swap(parsed["signal"]), expected), f"{match[0]}: parsed signal")
        names = np.array([record.name for record in records])
        for key, strict, batch in (
            ("y", [record.label for record in records], parsed["label"]),
            ("fname", names, np.array([name.decode() for name in parsed["name"]])),
            ("idrot", [record.rotation for record in records], parsed["rotation"]),
        ):
            if prefix + key in file:
                file.exact(prefix + key, strict)
                file.exact(prefix + key, batch)


def check_shard(file):
    """A shard whose contents `tfrecord.npz` holds: `check_tfrecord` compares them."""
    with np.load(file.path.with_name("tfrecord.npz")) as arrays:
        known = [m[1] for name in arrays if (m := re.fullmatch(r"(\w+)_y", name))]
        counts = [len(arrays[f"{k}_y"]) for k in known if file.path.stem.startswith(k)]
    file.check(counts == [count_records(file.path)], f"tfrecord.npz knows of {counts} records")


def check_unsupported(file):
    """Options that the original cannot run: ours works where it should, else refuses clearly."""
    for name in file.arrays:
        if name in _REFUSED:
            row, options = _REFUSED[name]
            try:
                RunConfig(**_SMALL | options)
                file.check(False, f"{name}: accepted")
            except ConfigError as error:
                flag = f"--{next(iter(options))}"
                file.check(flag in str(error), f"{name}: {error} does not name {flag}")
            file.differ(name, row)
        elif name in _WORKS:
            row, options = _WORKS[name]
            config = RunConfig(**_SMALL | options)
            model = build_model(config)
            signal = np.random.default_rng(0).normal(size=model.input_shape[1:])
            logits = model(signal[None].astype(np.float32))["logits"].numpy()
            finite = logits.dtype == np.float32 and np.isfinite(logits).all()
            file.check(finite, f"{name}: logits {logits}")
            file.differ(name, row)
            if config.n_filter_params == (1,):
                spectra = model.get_layer("conv0_distance").conv.spectra().numpy()
                file.check(np.ptp(spectra, axis=0).max() == 0, f"{name}: spectrum not constant")


_SMALL = {
    "model": "two_branch",
    "dset": "from_cached_tfrecords",
    "dtype": "complex64",
    "input_res": 8,
    "nfilters": (2, 2),
    "pool_layers": (0, 1),
    "concat_branches": (0, 1),
    "batch_norm": True,
    "real_inputs": True,
    "no_final_fc": True,
}
_REFUSED = {  # by row of PARITY; the flag that the message must name comes first
    "pool_layer_value_2": (19, {"pool_layers": (0, 2)}),
    "spectral_input": (7, {"spectral_input": True}),
    "pool_max_with_spectral_pool": (46, {"spectral_pool": True, "pool": "max"}),
}
_WORKS = {
    "complex_harmonics": (7, {"real_inputs": False}),
    "complex_harmonics_no_bn": (7, {"real_inputs": False, "batch_norm": False}),
    "nfp1": (9, {"n_filter_params": 1}),
    "transform_sep": (6, {"transform_method": "sep"}),
}
