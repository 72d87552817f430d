import json

import numpy as np
import pytest

from spherical_cnn.data.config import Recipe
from spherical_cnn.options import flag_parser
from spherical_cnn.training.config import Config, ConfigError, argument_parser
from spherical_cnn.training.network import build_model

BASE = {"model": "two_branch", "dset": "from_cached_tfrecords", "dtype": "complex64"}

# The original program's flags: short form and default.
ORIGINAL = {
    "model": ("m", ""),
    "logdir": ("ld", ""),
    "run_id": ("id", ""),
    "test_only": ("to", False),
    "dset": ("d", ""),
    "dset_dir": ("dd", "~/bigdata"),
    "n_classes": ("nc", 10),
    "dtype": ("dt", "float32"),
    "spectral_input": (None, False),
    "mag_ang": (None, False),
    "first_n": ("fn", None),
    "test_n": ("tn", 0),
    "input_res": ("res", 32),
    "skip_val": ("sv", False),
    "optimizer": ("o", "adam"),
    "learning_rate": ("lr", {0: 1e-3}),
    "regularization_weight": ("reg", 0),
    "n_epochs": ("ne", 10),
    "from_scratch": ("fs", False),
    "train_bsize": ("bs", 128),
    "nchannels": (None, 1),
    "nfilters": (None, (16, 16, 32, 32, 64, 64)),
    "pool_layers": (None, (0, 1, 0, 1, 0, 0)),
    "concat_branches": (None, (0, 0, 0, 0, 0, 0)),
    "dropout": ("do", False),
    "batch_norm": ("bn", False),
    "batch_renorm": ("brn", False),
    "nonlin": ("nl", "prelu"),
    "spectral_pool": ("sp", False),
    "pool": ("p", "wap"),
    "n_filter_params": ("nfp", (0,)),
    "weighted_sph_avg": ("wsa", False),
    "final_pool": ("fp", "gap"),
    "extra_loss": ("el", False),
    "triplet_loss": ("tl", False),
    "round_batches": ("rb", False),
    "no_final_fc": ("nofc", False),
    "transform_method": ("tm", "sep"),
    "real_inputs": ("ri", False),
}


def parse(*argv):
    return vars(argument_parser("").parse_args(list(argv)))


def test_every_flag_of_the_original_has_its_names_and_default():
    actions = {action.dest: action for action in argument_parser("")._actions}
    config = Config(**BASE)
    for name, (short, default) in ORIGINAL.items():
        expected = [f"--{name}"] + ([f"-{short}"] if short else [])
        assert actions[name].option_strings == expected
        assert getattr(config, name) == BASE.get(name, default)
    assert set(actions) - set(ORIGINAL) == {
        *("help", "debug", "quiet", "seed", "deterministic", "jit_compile"),
        *("quadrature", "dealias", "height", "devices", "coordinator"),
        *("num_processes", "process_id"),
    }


def test_only_explicit_flags_are_returned():
    assert parse() == {}
    assert parse("-nc", "4", "--batch_norm") == {"n_classes": "4", "batch_norm": True}


def test_argfiles_take_both_spellings_comments_and_spaces(tmp_path):
    file = tmp_path / "flags.txt"
    file.write_text(
        "# a comment\n--n_epochs=48\n\n--learning_rate\n{0: 0.001, 32: 0.0002, 40: 0.00004}\n"
        "--nfilters \n16,32\n--skip_val\n"
    )
    config = Config.from_json(
        {**BASE, "pool_layers": [0, 1], "concat_branches": [0, 0], **parse(f"@{file}")}
    )
    assert config.n_epochs == 48 and config.skip_val and config.nfilters == (16, 32)
    assert config.learning_rate == {0: 0.001, 32: 0.0002, 40: 0.00004}


def test_params_of_the_paper():
    files = ("model-64", "m40-64", "training")
    config = Config.from_json(parse(*(f"@params/{name}.txt" for name in files)))
    assert (config.n_classes, config.input_res, config.n_epochs, config.train_bsize) == (
        *(40, 64),
        *(48, 16),
    )
    assert config.nfilters == (16, 16, 32, 32, 64, 64, 128, 128)
    assert config.pool_layers == config.concat_branches == (0, 0, 1, 0, 1, 0, 1, 0)
    assert config.transform_method == "sep" and config.n_filter_params == (8,)
    for flag in ("batch_norm", "extra_loss", "weighted_sph_avg", "no_final_fc", "skip_val"):
        assert getattr(config, flag)


@pytest.mark.parametrize(
    ("name", "added"),
    [("model-64", 0), ("model-64-eq", 0), ("eq-rings", 0), ("eq-upright", 8 * 2 * 240)],
)
def test_networks_have_as_many_parameters_as_the_papers(name, added):
    parser = flag_parser("", Config, Recipe, without=["resolution"])
    given = vars(parser.parse_args([f"@params/{name}.txt", "@params/m40-64.txt"]))
    given.pop("rings", None)
    network = build_model(Config.from_json(given))
    sizes = [np.asarray(variable).size for variable in network.trainable_variables]
    assert sum(sizes) == 492_752 + added


def test_json_and_flags_give_the_config_back(tmp_path):
    config = Config(
        **BASE,
        learning_rate={0: 0.1, 7: 1e-5},
        n_epochs=3,
        first_n=2,
        batch_norm=True,
        regularization_weight=0.5,
    )
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
    file = tmp_path / "flags.txt"
    file.write_text("\n".join(config.to_flags()))
    assert Config.from_json(parse(f"@{file}")) == config


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 1e-3), (31, 1e-3), (32, 2e-4), (39, 2e-4), (40, 4e-5), (99, 4e-5)]
)
def test_a_rate_holds_until_the_next_key(epoch, rate):
    assert Config(**BASE, learning_rate={40: 4e-5, 0: 1e-3, 32: 2e-4}).rate(epoch) == rate


def test_name_is_run_id_or_the_last_part_of_logdir():
    assert Config(**BASE, logdir="/a/b/").name == "b"
    assert Config(**BASE, logdir="/a/b/", run_id="c").name == "c"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_classes": "ten"}, "--n_classes: expected an integer. Received: 'ten'"),
        ({"n_classes": 1}, "--n_classes: expected at least 2"),
        ({"n_epochs": 0}, "--n_epochs: expected at least 1"),
        ({"first_n": 0}, "--first_n: expected at least 1"),
        ({"regularization_weight": "nan"}, "--regularization_weight: expected at least 0"),
        ({"model": "resnet"}, "--model: expected two_branch or planar. Received: 'resnet'"),
        ({"model": "planar", "n_filter_params": 8}, "--model planar has no --spectral_pool"),
        ({"n_filter_params": "8,4"}, "--n_filter_params: .* each of 6 layers. Received: 8,4"),
        ({"n_filter_params": -1}, "--n_filter_params: expected at least 0.*Received: -1"),
        ({"optimizer": "sgd"}, "--optimizer: expected adam or momentum"),
        ({"nonlin": "swishh"}, "--nonlin: expected prelu or .*relu.*Received: 'swishh'"),
        ({"learning_rate": "0.1"}, "--learning_rate: expected a dict of rates"),
        ({"learning_rate": "{0: open('x')}"}, "--learning_rate: expected a dict of rates"),
        ({"learning_rate": "{0: 0.1"}, "--learning_rate: expected a dict of rates"),
        ({"learning_rate": "{1: 0.1}"}, "--learning_rate: expected positive rates .* from epoch 0"),
        ({"learning_rate": "{0: -1}"}, "--learning_rate: expected positive rates"),
        ({"learning_rate": "{1e999: 0.1}"}, "--learning_rate: expected a dict of rates"),
        ({"nfilters": "16,16"}, "expected one entry per layer.*'nfilters': 2"),
        ({"nfilters": "16,x"}, "--nfilters: expected integers separated by commas"),
        ({"pool_layers": "0,2,0,1,0,0"}, "--pool_layers: expected 0 or 1"),
        ({"input_res": 36}, "--input_res: expected a multiple of 8 for 2 pooling layers"),
        ({"spectral_input": True}, "--spectral_input: refused"),
        ({"test_only": True, "from_scratch": True}, "--test_only excludes --from_scratch"),
        ({"triplet_loss": True}, "--triplet_loss needs --round_batches"),
        ({"spectral_pool": True, "pool": "max"}, "--spectral_pool replaces --pool"),
        ({"batch_renorm": True}, "--batch_renorm needs --batch_norm"),
        ({"nchannels": 2}, "--nchannels: two_branch takes two channels"),
        ({"dtype": "int8"}, "--dtype: expected complex64 or"),
        ({"batch_norm": "yes"}, "--batch_norm: expected true or false"),
    ],
)
def test_refused_options_name_the_flag(change, message):
    with pytest.raises(ConfigError, match=message):
        Config.from_json({**BASE, **change})


def test_unknown_options_are_refused():
    with pytest.raises(ConfigError, match="unknown options: colour"):
        Config.from_json({**BASE, "colour": 1})
    with pytest.raises(ConfigError, match="unrecognized arguments: --colour"):
        parse("--colour")
    with pytest.raises(ConfigError, match="No such file or directory: 'absent.txt'"):
        parse("@absent.txt")
