"""What the documents show works: snippets run, commands run or have flags that exist."""

import contextlib
import functools
import importlib
import io
import os
import re
import subprocess
import sys

import pytest
from helpers import PAGES, ROOT, blocks, commands

from spherical_cnn.cli import COMMANDS, dispatch
from spherical_cnn.commands.networks import train_parser
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.generated.procedural import FAMILIES, draw_mesh
from spherical_cnn.training.run_config import RunConfig

PICTURES = ("signal", "filters", "features", "animation", "mistakes")


@functools.cache
def flags_of(*command):
    """The flags in the help of a command."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit):
        dispatch([*command, "--help"])
    return set(re.findall(r"--?\w+", text.getvalue()))


@functools.cache
def all_flags():
    """The flags of all commands."""
    commands = [(name,) for name in COMMANDS if name != "visualize"]
    commands += [("visualize", picture) for picture in PICTURES]
    general = {"--help", "--version", "--quiet", "--debug"}
    return general.union(*(flags_of(*command) for command in commands))


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(page for page in PAGES if blocks(page, "python")))
def test_snippets_run_one_after_the_other(page, tmp_path):
    source = tmp_path / "snippets.py"
    source.write_text("\n".join(blocks(page, "python")), encoding="utf-8")
    path = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, source], check=True, cwd=tmp_path, env=path)


@pytest.mark.parametrize(
    ("page", "command"), [(page, command) for page in PAGES for command in commands(page)]
)
def test_commands_have_flags_and_files_that_exist(page, command):
    _, name, *arguments = command
    assert name in COMMANDS
    known = flags_of(name, *arguments[: name == "visualize"])
    for argument in arguments:
        if re.match("--?[a-z]", argument):
            assert argument.split("=")[0] in known
        if argument.startswith("@"):
            assert (ROOT / argument[1:]).exists()


@pytest.mark.parametrize(
    ("page", "command"), [(page, command) for page in PAGES for command in commands(page, "train")]
)
def test_training_commands_have_valid_options(page, command, monkeypatch):
    monkeypatch.chdir(ROOT)  # files of flags name others from there
    given = vars(train_parser().parse_args(command[2:]))
    config = RunConfig.from_dict(RunConfig.select(given))
    dataset = DatasetConfig.select(given)
    DatasetConfig(**dataset)
    assert config.online or not dataset


@pytest.mark.parametrize("page", PAGES)
def test_text_names_only_commands_flags_and_files_that_exist(page):
    inline = re.findall(r"`([^`\n]+)`", re.sub("^```.*?^```", "", PAGES[page], flags=re.M | re.S))
    for text in inline:
        words = text.split()
        flags = {word.split("=")[0] for word in words if re.fullmatch("--[a-z_]+(=.*)?", word)}
        if words[:1] != ["python"] and words[:1] != ["pip"]:
            assert flags <= all_flags(), text
        if words[:1] == ["scnn"] and len(words) > 1:
            assert words[1] in (*COMMANDS, *all_flags()), text
    gone = r"make_dataset|merge_dataset|train_shapes|report\.md|python scripts/"
    assert re.findall(gone, PAGES[page]) == []
    for name in re.findall(r"params/[\w/-]+\.txt", PAGES[page]):
        assert (ROOT / name).exists(), name


def anchors(text):
    """The anchors of a page: its headings, named as GitHub does, and the names of the API."""
    text = re.sub("^```.*?^```", "", text, flags=re.M | re.S)
    headings = re.findall("^#+ (.*)", text, re.M)
    slugs = [re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return {*slugs, *re.findall("^::: (.*)", text, re.M)}


LINKED = {
    **PAGES,
    **{name: (ROOT / name).read_text("utf-8") for name in ("CHANGELOG.md", "CONTRIBUTING.md")},
}


@pytest.mark.parametrize("page", LINKED)
def test_links_pictures_and_anchors_exist(page):
    for address in re.findall(r"\]\(([^)\s]+)\)", LINKED[page]):
        if re.match("https?://", address):
            continue
        name, _, anchor = address.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), address
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), address


@pytest.mark.slow
def test_the_first_steps_run_as_written(tmp_path):
    (tmp_path / "params").symlink_to(ROOT / "params")
    families = list(FAMILIES)
    for index in range(120):
        family = families[index % len(families)]
        if family not in ("chair", "table"):
            continue
        number = index // len(families)
        name = {("chair", 0): "one.obj", ("chair", 1): "two.stl", ("table", 0): "three.off"}.get(
            (family, number), f"{number}.ply"
        )
        path = tmp_path / "meshes" / family / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_mesh(draw_mesh("train", index, 0), path))
    for network in ("model-64", "invariant-64"):  # instead of the runs of `make demo`
        (tmp_path / "runs/demo" / network).mkdir(parents=True)
        (tmp_path / "runs/demo" / network / "z-0").symlink_to(tmp_path / "runs/mine")
    for command in commands("docs/guide/start.md"):
        result = subprocess.run(
            [sys.executable, "-m", "spherical_cnn", *command[1:]],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, (command, result.stderr)
    for name in (
        "runs/mine/report.html",
        "chair.html",
        "signal.png",
        "features.png",
        "turning.gif",
    ):
        assert (tmp_path / name).stat().st_size > 10_000


DIRECTIVES = [name for page in PAGES.values() for name in re.findall("^::: (.*)", page, re.M)]


@pytest.mark.parametrize("module", ["spherical_cnn", "spherical_cnn.nn", "spherical_cnn.sphere"])
def test_every_public_name_has_a_place_in_the_api(module):
    documented = {name.split(".")[-1] for name in DIRECTIVES}
    assert set(importlib.import_module(module).__all__) <= documented


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package)
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        check=True,
        cwd=ROOT,
    )
    api = "".join(page.read_text("utf-8") for page in (site / "api").glob("*.html"))
    assert [name for name in DIRECTIVES if f'id="{name}"' not in api] == []
    assert "<blockquote>" not in api  # an example that was taken for a quotation
    assert (site / "repository/CHANGELOG.html").exists()
