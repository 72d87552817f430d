"""The order of the rooms, their size and names, and what importing the package brings along."""

import ast
import collections
import importlib.util
import json
import pathlib

import pytest

import spherical_cnn
from spherical_cnn.cli import COMMANDS

PACKAGE = pathlib.Path(spherical_cnn.__file__).parent
ROOMS = (
    *("version", "errors", "choices", "options", "packaged", "presets", "flags", "console"),
    "old_names",
    *("sphere", "nn", "shapes", "data", "reporting", "training", "tasks", "commands", "cli"),
    *("__init__", "__main__"),
)
SOURCES = {
    path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))
}
MODULES = [path for path in SOURCES if not path.stem.startswith("__")]
MOST_MODULES, MOST_LINES = 12, 250
# What is larger than it should be, and names of two modules, for the time being.
LARGE_ROOMS: set[str] = set()
LONG_MODULES: set[str] = set()
SHARED_NAMES: set[str] = set()
OPTIONAL = ("embreex", "mapbox_earcut", "matplotlib", "skimage", "tqdm", "trimesh")
IMPORT_WITHOUT = """
import json, sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))  # None: importing them fails
import spherical_cnn
alone = sorted(sys.modules)
# Records need TensorFlow; signals and runs bring rooms along, but no optional package.
with_rooms = {"load_run", "from_preset", "shapes_to_signals"}
for name in set(spherical_cnn.__all__) - {"load_records"} - with_rooms:
    getattr(spherical_cnn, name)
print(json.dumps([alone, sorted(sys.modules)]))
for name in with_rooms:
    getattr(spherical_cnn, name)
"""
STAR = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))  # None: importing them fails
from spherical_cnn import *
print(sht.__name__, SphericalBlock.__name__, "load_records" in dir())
try:
    from spherical_cnn import load_records
except ImportError as error:
    print(error)
"""


def imports(tree):
    """Every name that a source imports, at the top or inside functions, and the statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((f"{base}.{alias.name}", node) for alias in node.names)


def room_of(path):
    """The folder of a source right in the package, or the name of a module there."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def offences(offends):
    """`file:line module` of each import for which `offends(path, parts of the name, statement)`."""
    return [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {module}"
        for path, tree in SOURCES.items()
        for module, node in imports(tree)
        if offends(path, module.split("."), node)
    ]


def test_rooms_import_only_rooms_to_their_left():
    def to_the_right(path, parts, _):
        own = parts[0] == "spherical_cnn" and parts[1] in ROOMS
        return own and ROOMS.index(parts[1]) > ROOMS.index(room_of(path))

    assert {room_of(path) for path in SOURCES} == set(ROOMS)
    assert PACKAGE / "data/records/codec.py" in SOURCES
    assert offences(to_the_right) == []


def test_modules_are_imported_by_their_whole_names_and_never_the_package_itself():
    def whole_or_relative(_, parts, __):
        own = parts[0] == "spherical_cnn"
        return parts[0] == "" or (own and (len(parts) == 1 or parts[1] not in ROOMS))

    assert offences(whole_or_relative) == []


def test_records_are_imported_by_their_own_room_and_rooms_to_the_right_of_data_only():
    def records(path, parts, _):
        own = path.is_relative_to(PACKAGE / "data/records")
        late = ROOMS.index(room_of(path)) > ROOMS.index("data")
        return parts[:3] == ["spherical_cnn", "data", "records"] and not (own or late)

    assert offences(records) == []


def test_tensorflow_is_imported_for_records_training_tasks_and_its_precision_only():
    rooms = ("data/records", "training", "tasks", "sphere/operations.py")

    def elsewhere(path, parts, _):
        inside = any(path.is_relative_to(PACKAGE / room) for room in rooms)
        return parts[0] == "tensorflow" and not inside

    assert offences(elsewhere) == []


def test_rooms_have_a_dozen_modules_at_most():
    sizes = collections.Counter(path.parent.relative_to(PACKAGE).as_posix() for path in MODULES)
    assert {room for room, size in sizes.items() if size > MOST_MODULES} == LARGE_ROOMS, sizes


def test_modules_have_250_lines_at_most():
    lines = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCES
    }
    long = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert set(long) == LONG_MODULES, long


def test_no_two_modules_have_one_name():
    names = collections.Counter(path.stem for path in MODULES)
    assert {name for name, count in names.items() if count > 1} == SHARED_NAMES


def test_no_public_class_or_function_is_defined_twice():
    places = collections.defaultdict(list)
    for path, tree in SOURCES.items():
        for node in tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
                continue
            if room_of(path) == "commands" and node.name in COMMANDS:
                continue  # the function of a command has its name
            places[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_heavy_packages_are_imported_where_they_are_used():
    def at_the_top(_, parts, node):
        return parts[0] in ("mapbox_earcut", "matplotlib", "skimage") and node.col_offset == 0

    assert offences(at_the_top) == []


def test_package_never_imports_its_tests_or_their_oracle():
    oracles = ("conftest", "lie_learn", "reference", "tests")
    assert offences(lambda _, parts, __: parts[0] in oracles) == []


def test_public_names_are_those_of_the_design():
    without_tensorflow = [] if importlib.util.find_spec("tensorflow") else ["load_records"]
    assert sorted([*spherical_cnn.__all__, *without_tensorflow]) == [
        "AreaWeightedLoss",
        "GlobalSphericalAveragePooling",
        "PointsToSphere",
        "RandomSphericalRotation",
        "SphericalBlock",
        "SphericalConv",
        "SphericalGrid",
        "SphericalPooling",
        "SphericalResampling",
        "fill_missing",
        "from_preset",
        "isht",
        "isht_at",
        "load_records",
        "load_run",
        "point_sphere",
        "sample_function",
        "shapes_to_signals",
        "sht",
        "to_directions",
        "two_branch",
    ]
    assert all(callable(getattr(spherical_cnn, name)) for name in spherical_cnn.__all__)


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'spherical_cnn' has no attribute 'nope'"):
        _ = spherical_cnn.nope


def test_importing_the_package_is_silent_and_needs_no_optional_package(start_python):
    pytest.importorskip("jax")
    done = start_python("-c", IMPORT_WITHOUT, *OPTIONAL, KERAS_BACKEND="jax").result()
    assert done.stderr == ""
    alone, with_layers = json.loads(done.stdout)
    assert not {"keras", "jax", "spherical_cnn.nn"}.intersection(alone)
    assert "spherical_cnn.nn.models" in with_layers
    unwanted = ("tensorflow", "spherical_cnn.data", "spherical_cnn.training")
    assert [name for name in with_layers if name.startswith(unwanted)] == []


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_all_public_names_are_imported_on_each_backend_alone(backend, start_python):
    pytest.importorskip(backend)
    others = {"tensorflow", "jax", "torch"} - {backend}
    done = start_python("-c", STAR, *others, KERAS_BACKEND=backend).result()
    with_records = backend == "tensorflow"
    names, *message = done.stdout.splitlines()
    assert names == f"sht SphericalBlock {with_records}"
    reason = 'tensorflow is not installed: pip install "spherical_cnn[tensorflow]"'
    assert message == ([] if with_records else [reason])
