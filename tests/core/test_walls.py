"""Who may import whom, and what nobody may do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDON, SERVER = ROOT / "int_blender_addon", ROOT / "inference_server"
BLENDER_MODULES = {"bpy", "bpy_extras", "mathutils", "bmesh", "addon_utils", "gpu", "bl_operators"}
NETWORK_MODULES = {"socket", "http", "urllib", "requests", "ftplib", "smtplib", "socketserver", "xmlrpc", "asyncio"}
MAY_NAME_NETWORK = {"on_ray.py"}  # looks whether the cluster is there that a person gave the address of
RUNS_IN_BLENDER = {"blend_actions.py"}


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def imported(path: Path) -> set[str]:
    """Top-level modules that a file imports, wherever in it; relative imports are left out."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def test_the_core_is_numpy_and_the_standard_library() -> None:
    for path in sources(ADDON / "core"):
        assert imported(path) <= {"numpy", "__future__"} | sys.stdlib_module_names, path


def test_blenders_side_is_bpy_numpy_and_the_standard_library() -> None:
    allowed = BLENDER_MODULES | {"numpy", "int_blender_addon"} | sys.stdlib_module_names
    for path in sources(ADDON):
        assert imported(path) <= allowed, path


def test_the_server_never_imports_blender() -> None:
    for path in sources(SERVER):
        if path.name not in RUNS_IN_BLENDER:
            assert not imported(path) & BLENDER_MODULES, path


@pytest.mark.parametrize("folder", [ADDON, SERVER], ids=lambda p: p.name)
def test_nobody_reaches_for_the_network_or_a_shell_or_a_free_pickle(folder: Path) -> None:
    for path in sources(folder):
        if path.name not in MAY_NAME_NETWORK:
            assert not imported(path) & NETWORK_MODULES, path
        assert "mediapipe" not in imported(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            arguments = {k.arg: ast.unparse(k.value) for k in node.keywords}
            where = f"{path}:{node.lineno}"
            assert called not in {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads"}, where
            assert called != "os.chdir", where
            assert arguments.get("subtype") != "'PASSWORD'", f"no passwords in Blender: {where}"
            assert arguments.get("shell") in (None, "False"), where
            assert arguments.get("allow_pickle") in (None, "False"), where
            if called == "torch.load":
                assert arguments.get("weights_only") == "True", where
            if called == "np.load":
                assert arguments.get("allow_pickle") == "False", where


def test_the_core_imports_without_bpy_and_torch_and_the_server_without_bpy() -> None:
    code = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ImportError(name)
sys.meta_path.insert(0, Wall())
{imports}
"""
    modules = (path.relative_to(ROOT).with_suffix("") for path in sources(ADDON / "core"))
    core = [f"import {'.'.join(path.parts).removesuffix('.__init__')}" for path in modules]
    server = ["import inference_server.cli, inference_server.capture, inference_server.serve"]
    for blocked, lines in (({"bpy", "torch", "scipy", "cv2"}, core), ({"bpy", "torch", "timm"}, server)):
        text = code.format(blocked=blocked, imports="\n".join(lines))
        subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=True)


def test_the_repository_holds_no_programs_and_no_bytecode() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    for name in listed:
        assert not name.endswith((".pyc", ".exe", ".dll", ".so", ".dylib", ".whl")), name
