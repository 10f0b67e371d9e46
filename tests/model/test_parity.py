"""Against the authors' outputs, as far as a few minutes go; `tests/parity.py` runs every case."""

import parity
import pytest


def test_every_function_agrees(golden: parity.Golden) -> None:
    report = parity.Report(quiet=True)
    parity.compare_functions(golden, report)
    assert report.failed == []


@pytest.mark.slow
@pytest.mark.parametrize("case", ["main_B1T4", "main_B1T1", "imageonly", "noembed", "parallel", "series", "coupling"])
def test_the_model_agrees_in_both_precisions(golden: parity.Golden, case: str) -> None:
    report = parity.Report(quiet=True)
    parity.compare_models(golden, report, case)
    assert report.failed == []


def test_the_harness_sees_a_difference(golden: parity.Golden, capsys: pytest.CaptureFixture) -> None:
    report = parity.Report(quiet=True)
    report.add("one", golden.functions["rot6d/rotmat"] + 1e-8, golden.functions["rot6d/rotmat"], parity.EXACT)
    report.add("shape", golden.functions["rot6d/rotmat"][1:], golden.functions["rot6d/rotmat"], parity.EXACT)
    assert report.failed == ["one", "shape"] and "FAIL" in capsys.readouterr().out
