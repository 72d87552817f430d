"""The order of the rooms, and what importing the package brings along."""

import ast
import json
import pathlib

import pytest

import spherical_cnn

PACKAGE = pathlib.Path(spherical_cnn.__file__).parent
ROOMS = ("sphere", "nn", "signals", "data", "reporting", "training", "tasks")
SOURCES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for room in ROOMS
    for path in sorted((PACKAGE / room).rglob("*.py"))
}
OPTIONAL = ("embreex", "mapbox_earcut", "matplotlib", "skimage", "tqdm", "trimesh")
IMPORT_WITHOUT = """
import json, sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))  # None: importing them fails
import spherical_cnn
print(json.dumps(sorted(sys.modules)))
"""


def imports(tree):
    """Every module that a source imports, at the top or inside functions, and the statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base, node
            yield from ((f"{base}.{alias.name}", node) for alias in node.names)


def room_of(path):
    return path.relative_to(PACKAGE).parts[0]


def offences(offends):
    """`file:line module` of each import for which `offends(room, parts of the name, statement)`."""
    return [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {module}"
        for path, tree in SOURCES.items()
        for module, node in imports(tree)
        if offends(room_of(path), module.split("."), node)
    ]


def test_rooms_import_only_rooms_to_their_left():
    def to_the_right(room, parts, _):
        own = parts[0] == "spherical_cnn" and parts[1:2] and parts[1] in ROOMS
        return own and ROOMS.index(parts[1]) > ROOMS.index(room)

    assert {room_of(path) for path in SOURCES} == set(ROOMS)
    assert offences(to_the_right) == []


def test_only_the_last_room_imports_the_package_itself_and_none_by_dots():
    def whole_or_relative(room, parts, _):
        return parts[0] == "" or (parts == ["spherical_cnn"] and room != ROOMS[-1])

    assert offences(whole_or_relative) == []


def test_tensorflow_stays_in_the_rooms_of_input_output_and_training():
    rooms = ("data", "training", "tasks")
    assert offences(lambda room, parts, _: parts[0] == "tensorflow" and room not in rooms) == []


def test_heavy_packages_are_imported_where_they_are_used():
    def at_the_top(_, parts, node):
        return parts[0] in ("mapbox_earcut", "matplotlib", "skimage") and node.col_offset == 0

    assert offences(at_the_top) == []


def test_package_never_imports_its_tests_or_their_oracle():
    oracles = ("conftest", "lie_learn", "reference", "tests")
    assert offences(lambda _, parts, __: parts[0] in oracles) == []


def test_public_names_are_those_of_the_design():
    assert spherical_cnn.__all__ == [
        "SphericalAveragePooling",
        "SphericalBlock",
        "SphericalConv",
        "SphericalGrid",
        "SphericalPooling",
        "isht",
        "load_records",
        "sht",
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
    modules = json.loads(done.stdout)
    assert "spherical_cnn.nn.models" in modules
    unwanted = ("tensorflow", "spherical_cnn.data", "spherical_cnn.training")
    assert [name for name in modules if name.startswith(unwanted)] == []
