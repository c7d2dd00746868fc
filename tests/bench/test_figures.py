"""Ratios, what is added, and verdicts on aims."""

import pytest

from bench import figures
from bench.figures import Aim

SAMPLES = {
    ("weir", "chat"): [{"cpu": 2.0}, {"cpu": 9.0}, {"cpu": 3.0}],
    ("mlflow", "chat"): [{"cpu": 4.0}, {"cpu": 10.0}, {"cpu": 4.0}],
    ("litellm", "chat"): [{"cpu": 20.0}],
    ("weir", "paced"): [{"first": 0.013}, {"first": 0.012}],
    ("direct", "paced"): [{"first": 0.003}, {"first": 0.001}],
}


def test_a_ratio_is_taken_within_each_run():
    found = figures.ratio(SAMPLES, "chat", "mlflow")
    assert (found.middle, found.low, found.high) == (0.75, 0.5, 0.9)


def test_a_server_that_was_measured_once_is_compared_with_the_run_beside_it():
    assert figures.ratio(SAMPLES, "chat", "litellm").middle == 0.1


def test_what_is_added_is_the_difference_from_the_provider_asked_directly_in_the_same_run():
    found = figures.added(SAMPLES, "paced", "first")
    assert (found.low, found.high) == pytest.approx((0.010, 0.011))


@pytest.mark.parametrize(("limit", "kept"), [(0.8, True), (0.75, True), (0.7, False)])
def test_the_median_decides_whether_an_aim_is_kept(limit, kept):
    (verdict,) = figures.verdicts(SAMPLES, [Aim("chat", limit, of="mlflow")])
    assert verdict.kept is kept
    assert str(verdict) == f"chat: CPU, of mlflow's: 0.75 (0.50-0.90), {'within' if kept else 'OVER'} {limit:.2f}"


def test_there_is_no_verdict_on_what_was_not_measured():
    aims = [Aim("chat", 1.0, of="portkey"), Aim("stream", 1.0, of="mlflow"), Aim("slow", 0, "lost")]
    assert figures.verdicts(SAMPLES, aims) == []


def test_a_figure_that_never_changed_has_no_brackets():
    assert figures.alone(SAMPLES, "chat", "cpu", "litellm").written(figures.RATIO) == "20.00"
