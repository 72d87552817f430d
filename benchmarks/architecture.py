"""The network of the files in params without `spherical_cnn.experiment`, which needs TensorFlow."""

import ast

from benchmarks.machine import ROOT


def read_flags(*names):
    """Dict of the flags in `params/NAME.txt`, later files over earlier ones.

    Files have one token a line: `--flag=value`, or `--flag` and perhaps a value on the next line.
    A flag without a value is true; what reads as Python is a value of that type.
    """
    tokens = []
    for name in names:
        lines = (ROOT / "params" / f"{name}.txt").read_text("utf-8").splitlines()
        tokens += [line for line in lines if line and not line.startswith("#")]
    flags, last = {}, None
    for token in tokens:
        if token.startswith("--"):
            last, _, value = token[2:].partition("=")
            flags[last] = _value(value) if value else True
        else:
            flags[last] = _value(token)
    return flags


def two_branch_of(flags):
    """`two_branch` as the flags say, those that occur in params/model-64.txt."""
    from spherical_cnn.nn.models import two_branch

    return two_branch(
        flags["input_res"],
        flags["n_classes"],
        flags["nfilters"],
        flags["pool_layers"],
        flags["concat_branches"],
        num_anchors=flags["n_filter_params"],
        normalization="batch" if flags.get("batch_norm") else None,
        nonlinearity=flags["nonlin"],
        area_weighted=flags.get("weighted_sph_avg", False),
        final_dense=not flags.get("no_final_fc"),
        extra_logits=flags.get("extra_loss", False),
        method=flags["transform_method"],
    )


def _value(text):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
