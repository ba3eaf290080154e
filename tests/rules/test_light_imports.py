"""What must not cost seconds: heavy libraries stay out of the commands that do not need them."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "monai", "lightning", "mlflow", "pandas", "sklearn", "matplotlib", "pydicom")


def loaded_after(code: str) -> set[str]:
    """Heavy libraries that a fresh process has loaded after `code`."""
    probe = f"{code}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


@pytest.mark.parametrize(
    "code",
    [
        "import medtrimix",
        "import medtrimix.cli.app",
        "import medtrimix.pipeline.study",
        "import medtrimix.pipeline.plan",
        "import medtrimix.cli.compare",
    ],
)
def test_no_heavy_library_is_loaded(code: str) -> None:
    assert loaded_after(code) == set()


def test_the_rule_can_fail() -> None:
    assert loaded_after("import pandas") >= {"pandas"}
