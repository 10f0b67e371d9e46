"""pytest inside a real Blender.

    blender -b --factory-startup --python tests/run_in_blender.py -- -q -m blender

pytest is not in Blender's Python: it is taken from the folder that PYTEST_SITE names, or else installed into
build/pytest/ once. The exit code is pytest's.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SITE = Path(os.environ.get("PYTEST_SITE", ROOT / "build" / "pytest"))
PACKAGES = ("pytest",)


def main() -> int:
    """Run pytest with the arguments after `--`."""
    if not (SITE / "pytest").exists():
        installer = os.environ.get("INT_MOCAP_INFERENCE", sys.executable)  # any Python with pip: it is pure Python
        subprocess.run([installer, "-m", "pip", "install", "--quiet", "--target", str(SITE), *PACKAGES], check=True)
    sys.path[:0] = [str(SITE), str(ROOT)]
    os.chdir(ROOT)
    import pytest

    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    return int(pytest.main(["-p", "no:cacheprovider", *(arguments or ["tests/blender"])]))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender's own way out can lose the code
