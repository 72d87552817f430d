"""What the documents show works: snippets run, commands run or have flags that exist."""

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


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(page for page in PAGES if blocks(page, "python")))
def test_snippets_run_one_after_the_other(page, tmp_path):
    source = tmp_path / "snippets.py"
    source.write_text("\n".join(blocks(page, "python")), encoding="utf-8")
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    path = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, source], check=True, cwd=tmp_path, env=path)


@pytest.mark.parametrize(
    ("page", "command"), [(page, command) for page in PAGES for command in commands(page)]
)
def test_commands_have_flags_and_files_that_exist(page, command, capsys):
    _, name, *arguments = command
    assert name in COMMANDS
    words = [arguments[0]] if name == "visualize" else []
    with pytest.raises(SystemExit):
        dispatch([name, *words, "--help"])
    known = set(re.findall(r"--?\w+", capsys.readouterr().out))
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
def test_text_names_only_commands_flags_and_files_that_exist(page, capsys):
    known = {"--help", "--version", "--quiet", "--debug"}
    for name in COMMANDS:
        words = ("signal", "filters", "features", "animation", "mistakes")
        for word in words if name == "visualize" else [""]:
            with pytest.raises(SystemExit):
                dispatch([name, *word.split(), "--help"])
            known |= set(re.findall(r"--?\w+", capsys.readouterr().out))
    inline = re.findall(r"`([^`\n]+)`", re.sub("^```.*?^```", "", PAGES[page], flags=re.M | re.S))
    for text in inline:
        words = text.split()
        flags = {word.split("=")[0] for word in words if re.fullmatch("--[a-z_]+(=.*)?", word)}
        if words[:1] != ["python"] and words[:1] != ["pip"]:
            assert flags <= known, text
        if words[:1] == ["scnn"] and len(words) > 1:
            assert words[1] in COMMANDS, text
    gone = r"make_dataset|merge_dataset|train_shapes|report\.md|python scripts/"
    assert re.findall(gone, PAGES[page]) == []
    for name in re.findall(r"params/[\w/-]+\.txt", PAGES[page]):
        assert (ROOT / name).exists(), name


def test_links_and_pictures_exist():
    for page, text in PAGES.items():
        folder = ROOT if page == "README.md" else ROOT / "docs"
        for address in re.findall(r"\]\(([^)#]+)\)", text):
            assert address.startswith("http") or (folder / address).exists(), (page, address)


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
    for command in commands("start.md"):
        result = subprocess.run(
            [sys.executable, "-m", "spherical_cnn", *command[1:]],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, (command, result.stderr)
    for name in ("runs/mine/report.html", "signal.png", "features.png", "turning.gif"):
        assert (tmp_path / name).stat().st_size > 10_000


@pytest.mark.slow
def test_the_reference_is_written_without_a_warning(tmp_path):
    pytest.importorskip("pdoc")
    (tmp_path / "api.py").write_text((ROOT / "docs/api.py").read_text())
    result = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", tmp_path / "api.py"],
        env={"PYTHONPATH": str(ROOT), "PDOC_ALLOW_EXEC": "1", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0 and "Warn" not in result.stderr, result.stderr
    page = (tmp_path / "api/spherical_cnn.html").read_text()
    assert "SphericalConv" in page and "load_records" in page
    assert (tmp_path / "api/spherical_cnn/sphere/alignment.html").exists()
