import dataclasses
import operator
import os
import pathlib

import pytest
from executors import EXECUTORS
from grid import Cell
from results import Results
from run_grid import run_grid

_CELL = Cell("digits", "resnet8", "fine_tune", 5, image_size=24, epochs=1)


def double(item):
    return 2 * item


def die_once(marker):
    """Takes its process with it the first time."""
    path = pathlib.Path(marker)
    if not path.exists():
        path.touch()
        os._exit(1)
    return "again"


def test_local_processes_run_every_task_once():
    found = EXECUTORS["joblib"](operator.neg, range(5), 2)
    assert sorted(found) == [-4, -3, -2, -1, 0]


@pytest.mark.slow
def test_a_ray_cluster_runs_the_task_of_a_lost_worker_again(tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is an extra: kerastl[ray]")
    if ray.is_initialized():
        ray.shutdown()
    environment = {"PYTHONPATH": str(pathlib.Path(__file__).parent)}
    ray.init(
        num_cpus=2,
        log_to_driver=False,
        include_dashboard=False,
        runtime_env={"env_vars": environment},
    )
    try:
        markers = [str(tmp_path / name) for name in ("a", "b")]
        found = list(EXECUTORS["ray"](die_once, markers, 2))
        assert found == ["again", "again"]
        numbers = EXECUTORS["ray"](double, range(4), 2)
        assert sorted(numbers) == [0, 2, 4, 6]
    finally:
        ray.shutdown()


def test_missing_places_are_told_before_the_work(tmp_path):
    photos = Cell("clothing10", "resnet8", "fine_tune", 5)
    results = Results(tmp_path / "results.csv")
    for folders, missing in (
        ({}, "data 'clothing10'"),
        ({"clothing10": str(tmp_path)}, "weights 'resnet8'"),
    ):
        with pytest.raises(ValueError, match=missing):
            run_grid([photos], results, None, 1, folders, {})
    assert not results.path.exists()


@pytest.mark.slow
def test_a_row_is_the_same_again_and_not_run_twice(tmp_path, source_file):
    rows = []
    for name in ("one", "two"):
        results = Results(tmp_path / f"{name}.csv")
        for _ in range(2):
            run_grid(
                [_CELL],
                results,
                _in_this_process,
                1,
                {},
                {"resnet8": source_file},
                say=lambda text: None,
            )
        (row,) = results.rows
        rows.append(row)
    for column in ("validation", "test", "validation_nll"):
        assert rows[0][column] == rows[1][column]
    assert rows[0]["status"] == "done"
    # One epoch, five digits, a source of random weights.
    assert 20 < rows[0]["test"] <= 100
    assert rows[0]["test_images"] > 100


@pytest.mark.slow
def test_a_cell_that_fails_takes_no_other_along(tmp_path, source_file):
    # Weights of another network.
    wrong = dataclasses.replace(_CELL, network="mobilenet_0.25", image_size=32)
    results, said = Results(tmp_path / "results.csv"), []
    with pytest.raises(RuntimeError, match="1 of 2 cells ended in an error"):
        run_grid(
            [wrong, _CELL],
            results,
            _in_this_process,
            1,
            {},
            {"resnet8": source_file, "mobilenet_0.25": source_file},
            say=said.append,
        )
    assert [row["network"] for row in results.rows] == ["resnet8"]
    [told] = [text for text in said if "failed:" in text]
    assert "network='mobilenet_0.25'" in told and "Traceback" in told


def _in_this_process(task, items, jobs):
    return map(task, items)


@pytest.fixture(scope="module")
def source_file(tmp_path_factory):
    from kerastl import apps

    path = tmp_path_factory.mktemp("source") / "model.keras"
    network = apps.get_preset("resnet8").build(None, input_shape=(24, 24, 3))
    network.save(path)
    return str(path)
