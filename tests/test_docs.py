"""What the documents show works: snippets run, commands run or have flags that exist."""

import pathlib
import re
import subprocess
import sys

import pytest
from helpers import PAGES, ROOT, blocks, commands, script

from spherical_cnn.signals.procedural import FAMILIES, draw
from spherical_cnn.tasks.align import mesh_bytes


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
def test_commands_have_flags_and_files_that_exist(page, command, capsys):
    python, path, *arguments = command
    assert python == "python"
    words = [arguments[0]] if path.endswith("visualize.py") else []
    with pytest.raises(SystemExit):
        script(pathlib.Path(path).stem)([*words, "--help"])
    known = set(re.findall(r"--?\w+", capsys.readouterr().out))
    for argument in arguments:
        if re.match("--?[a-z]", argument):
            assert argument.split("=")[0] in known
        if argument.startswith("@"):
            assert (ROOT / argument[1:]).exists()


def test_links_and_pictures_exist():
    for page, text in PAGES.items():
        folder = ROOT if page == "README.md" else ROOT / "docs"
        for address in re.findall(r"\]\(([^)#]+)\)", text):
            assert address.startswith("http") or (folder / address).exists(), (page, address)


@pytest.mark.slow
def test_the_first_steps_work_as_written(tmp_path):
    for name in ("scripts", "params", "spherical_cnn"):
        (tmp_path / name).symlink_to(ROOT / name)
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
        path.write_bytes(mesh_bytes(draw("train", index, 0), path))
    for command in commands("start.md"):
        result = subprocess.run(
            [sys.executable, *command[1:]], cwd=tmp_path, capture_output=True, text=True
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
