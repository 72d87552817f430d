import json

import numpy as np
import pytest

from spherical_cnn.cli import dispatch
from spherical_cnn.commands.networks import train_parser
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.flags import Parser, add_options
from spherical_cnn.training.network import build_model
from spherical_cnn.training.run import dataset_config_of, open_run
from spherical_cnn.training.run_config import RunConfig
from spherical_cnn.training.run_folder import RunFolder

# Options that have no default, or another one, in the original program.
REQUIRED = {"model": "two_branch", "dset": "from_cached_tfrecords", "dtype": "complex64"}

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


def run_parser():
    parser = Parser()
    add_options(parser, RunConfig)
    return parser


def parse(*argv):
    return vars(run_parser().parse_args(list(argv)))


def test_every_flag_of_the_original_has_its_names_and_default():
    actions = {action.dest: action for action in run_parser()._actions}
    config = RunConfig()
    for name, (short, default) in ORIGINAL.items():
        expected = [f"--{name}"] + ([f"-{short}"] if short else [])
        assert actions[name].option_strings == expected
        assert getattr(config, name) == REQUIRED.get(name, default)
    assert set(actions) - set(ORIGINAL) == {
        *("help", "debug", "quiet", "seed", "deterministic", "jit_compile"),
        *("quadrature", "dealias", "map_grid", "up_channel", "devices", "coordinator"),
        *("num_processes", "process_id", "online", "tf32", "cosine", "weight_decay"),
        *("label_smoothing", "neighborhoods", "point_filters", "pair_points", "pair_neighbors"),
        *("pair_filters", "shells", "shell_channels", "dense", "dropout_rate", "initial_weights"),
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
    given = {"pool_layers": [0, 1], "concat_branches": [0, 0], **parse(f"@{file}")}
    config = RunConfig.from_dict(given)
    assert config.n_epochs == 48 and config.skip_val and config.nfilters == (16, 32)
    assert config.learning_rate == {0: 0.001, 32: 0.0002, 40: 0.00004}


def test_params_of_the_paper():
    files = ("model-64", "m40-64", "training")
    config = RunConfig.from_dict(parse(*(f"@params/{name}.txt" for name in files)))
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
    [
        ("model-64", 0),
        ("invariant-64", -2 * 480),  # no slope per channel
        ("invariant-supersampled", -2 * 480),
        ("invariant-prelu", 0),
        ("model-64-eq", 0),
        ("invariant-upright", 8 * 2 * 240),
    ],
)
def test_networks_have_the_parameters_of_the_papers_but_for_slopes_and_up_axis(name, added):
    files = [f"@params/{name}.txt", "@params/m40-64.txt"]
    given = vars(train_parser().parse_args(files))
    assert set(DatasetConfig.select(given)) <= {"rays_per_sample"}
    network = build_model(RunConfig.from_dict(RunConfig.select(given)))
    sizes = [np.asarray(variable).size for variable in network.trainable_variables]
    assert sum(sizes) == 492_752 + added


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "learning_rate": {0: 0.1, 7: 1e-5},
            "n_epochs": 3,
            "first_n": 2,
            "batch_norm": True,
            "regularization_weight": 0.5,
        },
        {"dset_dir": "", "online": "meshes with spaces", "nonlin": "relu"},
        {"nfilters": (4, 8), "pool_layers": (0, 1), "concat_branches": (1, 0)},
        {"model": "planar", "dtype": "float64", "nchannels": 2, "n_filter_params": (0,)},
        {"coordinator": "host:1", "num_processes": 2, "process_id": 1, "devices": "all"},
    ],
)
def test_json_and_flags_give_the_config_back(tmp_path, options):
    config = RunConfig(**options)
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    file = tmp_path / "flags.txt"
    file.write_text("\n".join(config.to_flags()))
    assert RunConfig.from_dict(parse(f"@{file}")) == config


def test_only_options_that_differ_from_their_defaults_become_flags():
    assert RunConfig().to_flags() == []
    config = RunConfig(n_classes=10, batch_norm=True, dset_dir="", n_filter_params=(8,), n_epochs=3)
    flags = ["--dset_dir=", "--n_epochs=3", "--batch_norm", "--n_filter_params=8"]
    assert config.to_flags() == flags


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 1e-3), (31, 1e-3), (32, 2e-4), (39, 2e-4), (40, 4e-5), (99, 4e-5)]
)
def test_a_rate_holds_until_the_next_key(epoch, rate):
    assert RunConfig(learning_rate={40: 4e-5, 0: 1e-3, 32: 2e-4}).rate(epoch) == rate


def test_name_is_run_id_or_the_last_part_of_logdir():
    assert RunConfig(logdir="/a/b/").name == "b"
    assert RunConfig(logdir="/a/b/", run_id="c").name == "c"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_classes": "ten"}, "--n_classes: expected an integer. Received: 'ten'"),
        ({"n_classes": 1}, "--n_classes: expected at least 2"),
        ({"n_epochs": 0}, "--n_epochs: expected at least 1"),
        ({"first_n": 0}, "--first_n: expected at least 1"),
        ({"regularization_weight": "nan"}, "--regularization_weight: expected at least 0"),
        ({"model": "resnet"}, "--model: expected two_branch or planar or point_sphere. Received"),
        ({"model": "planar", "n_filter_params": 8}, "--model planar has no --spectral_pool"),
        ({"n_filter_params": "8,4"}, "--n_filter_params: .* each of 6 layers. Received: 8,4"),
        ({"n_filter_params": -1}, "--n_filter_params: expected at least 0.*Received: -1"),
        ({"optimizer": "sgd"}, "--optimizer: expected adam or momentum"),
        ({"nonlin": "swishh"}, "--nonlin: expected prelu or .*relu.*Received: 'swishh'"),
        ({"map_grid": "gauss_legendre"}, "--map_grid gauss_legendre needs --dealias, .*=False"),
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
        ({"spectral_input": True}, "--spectral_input: not supported"),
        ({"test_only": True, "from_scratch": True}, "--test_only excludes --from_scratch"),
        ({"triplet_loss": True}, "--triplet_loss needs --round_batches"),
        ({"spectral_pool": True, "pool": "max"}, "--spectral_pool replaces --pool"),
        ({"batch_renorm": True}, "--batch_renorm needs --batch_norm"),
        ({"nchannels": 2}, "--nchannels: two_branch takes two channels"),
        ({"dtype": "int8"}, "--dtype: expected complex64 or"),
        ({"online": "meshes", "test_only": True}, "--online excludes --num_processes and --test_o"),
        (
            {"online": "meshes", "num_processes": 2, "coordinator": "a:1"},
            "--online excludes --num_processes and --test_only",
        ),
        ({"up_channel": "told"}, "--up_channel: expected off or on or masked. Received: 'told'"),
        ({"batch_norm": "yes"}, "--batch_norm: expected true or false"),
    ],
)
def test_refused_options_name_the_flag(change, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig.from_dict(change)


def test_unknown_options_are_refused():
    with pytest.raises(ConfigError, match="unknown options: colour"):
        RunConfig.from_dict({"colour": 1})
    with pytest.raises(ConfigError, match="unrecognized arguments: --colour"):
        parse("--colour")
    with pytest.raises(ConfigError, match="@absent.txt: No such file or directory"):
        parse("@absent.txt")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rotation=z"], "--rotation: for online data, expected --online SOURCE"),
        (["--center=area", "--up=y"], "--center, --up: for online data, expected --online SOURCE"),
        (["--data_seed=3", "--workers=2"], "--data_seed, --workers: for online data, expected"),
        (["--split_file=a.csv"], "--split_file: for online data, expected --online SOURCE"),
    ],
)
def test_dataset_flags_without_online_are_refused(tmp_path, flags, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        dispatch(["train", f"--logdir={tmp_path / 'run'}", *flags])
    assert not (tmp_path / "run").exists()


def store(folder, name, values):
    """`RunFolder` with one more file of JSON."""
    (folder / name).write_text(json.dumps(values))
    return RunFolder(folder)


@pytest.mark.parametrize(
    ("height", "up_channel"), [("none", "off"), ("told", "on"), ("untold", "masked")]
)
def test_run_options_of_an_earlier_version_are_read(tmp_path, height, up_channel):
    options = RunConfig(n_classes=4, logdir="there").to_dict()
    del options["up_channel"], options["online"]
    stored = {"format": 1, "version": "0.5", "options": {**options, "height": height}}
    config = store(tmp_path, "config.json", stored).read_config()
    assert config == RunConfig(n_classes=4, logdir="there", up_channel=up_channel)
    _, tested = open_run({"test_only": True, "logdir": str(tmp_path)})
    assert (tested.up_channel, tested.n_classes) == (up_channel, 4)


@pytest.mark.parametrize(("rings", "rays"), [(0, 1), (1, 7), (2, 19), (3, 37)])
def test_dataset_options_of_an_earlier_version_are_read(tmp_path, rings, rays):
    options = {"resolution": 16, "rotation": "z", "centre": "area", "rings": rings, "seed": 9}
    stored = {"source": "meshes", "classes": ["bed", "chair"], "options": options}
    folder = store(tmp_path, "data.json", stored)
    assert dataset_config_of(folder) == DatasetConfig(
        resolution=16, rotation="z", center="area", rays_per_sample=rays, data_seed=9
    )
    assert dataset_config_of(folder, up="y", kind=None).up == "y"


def test_unknown_options_of_a_stored_run_are_named(tmp_path):
    stored = {"format": 1, "version": "0.5", "options": {"colour": 1}}
    with pytest.raises(RunError, match="config.json: unknown options: colour"):
        store(tmp_path, "config.json", stored).read_config()
    stored = {"source": "meshes", "classes": [], "options": {"colour": 1}}
    with pytest.raises(RunError, match="data.json: unknown options: colour"):
        dataset_config_of(store(tmp_path, "data.json", stored))
