"""One study and one written report for all tests of this folder."""

from __future__ import annotations

import pytest
from synthetic import make_study

from medtrimix.report.study import Study
from medtrimix.report.write import ReportFiles, write_report


@pytest.fixture(scope="session")
def study() -> Study:
    """Four arms x two strategies x three budgets x three label seeds."""
    return make_study()


@pytest.fixture(scope="session")
def files(study: Study, tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    """The report of that study, on disk."""
    return write_report(study, tmp_path_factory.mktemp("report"))
