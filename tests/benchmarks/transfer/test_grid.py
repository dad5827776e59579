import dataclasses

import pytest
from grid import Cell
from grid import read_grid


def _write(tmp_path, text):
    path = tmp_path / "grid.toml"
    path.write_text(text)
    return path


def test_lists_stand_for_one_cell_each(tmp_path):
    path = _write(
        tmp_path,
        """
        data = "digits"
        network = "resnet8"
        shots = [5, 10]
        seed = [0, 1]

        [[methods]]
        method = "fine_tune"

        [[methods]]
        method = "ktft+l2_sp"
        learning_rate = [0.01, 0.03]
        """,
    )
    cells = read_grid(path)
    base = Cell("digits", "resnet8", "fine_tune", 5)
    joined = dataclasses.replace(base, method="ktft+l2_sp", learning_rate=0.01)
    one = [
        base,
        dataclasses.replace(base, shots=10),
        joined,
        dataclasses.replace(joined, learning_rate=0.03),
        dataclasses.replace(joined, shots=10),
        dataclasses.replace(joined, shots=10, learning_rate=0.03),
    ]
    two = [dataclasses.replace(cell, seed=1) for cell in one]
    # A grid that is stopped has whole seeds.
    assert cells == one + two


def test_a_cell_that_is_named_twice_runs_once(tmp_path):
    path = _write(
        tmp_path,
        """
        data = "digits"
        network = "resnet8"
        shots = [5, 5]
        method = "fine_tune"
        """,
    )
    assert len(read_grid(path)) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('method = "fine_tun"', "Did you mean 'fine_tune'"),
        ('method = "ktft+fine_tun"', "Did you mean 'fine_tune'"),
        ('method = "ktft"\nlearning_rat = 1', "Did you mean 'learning_rate'"),
        ('method = "ktft"\naugment = "strog"', "Did you mean 'strong'"),
        ('method = "ktft"\nkeep = "bets"', "Did you mean 'best'"),
        ('method = "tcr"\naugment = "strong"', "does not go with MixUp"),
        ('method = "pruning"\nkeep = "best"', "only there at the end"),
        ("", "Add method"),
        ("method = ", "no TOML"),
    ],
)
def test_a_typo_is_refused_with_the_nearest_name(tmp_path, line, message):
    path = _write(
        tmp_path, f'data = "digits"\nnetwork = "resnet8"\nshots = 5\n{line}\n'
    )
    with pytest.raises(ValueError, match=message):
        read_grid(path)


def test_an_unknown_network_is_refused(tmp_path):
    path = _write(
        tmp_path,
        'data = "digits"\nnetwork = "resnet9"\nshots = 5\n'
        'method = "fine_tune"\n',
    )
    with pytest.raises(ValueError, match="Did you mean 'resnet8'"):
        read_grid(path)
