import numpy as np

from kerastl.apps.report.save_examples import choose_examples


def test_takes_one_right_of_each_class_and_the_surest_wrong():
    scores = np.array(
        [
            [0.9, 0.1],  # right
            [0.8, 0.2],  # right, same class
            [0.3, 0.7],  # right, the other class
            [0.6, 0.4],  # wrong
            [0.99, 0.01],  # wrong, surest
            [0.2, 0.8],  # wrong
        ]
    )
    labels = np.array([0, 0, 1, 1, 1, 0])
    # The brightness of an image tells which it is.
    images = np.arange(6, dtype="float32").reshape(6, 1, 1, 1) * np.ones(3)
    batches = [(images[:4], labels[:4]), (images[4:], labels[4:])]

    chosen = choose_examples(
        lambda batch: scores[batch[:, 0, 0, 0].astype(int)],
        batches,
        ["a", "b"],
        per_kind=2,
        files=["a/0", "a/1", "b/2", "b/3", "b/4", "a/5"],
    )
    assert [int(image[0, 0, 0]) for image, _ in chosen] == [0, 2, 4, 5]
    assert [row["correct"] for _, row in chosen] == [True, True, False, False]
    assert chosen[2][1] == {
        "label": "b",
        "prediction": "a",
        "confidence": 0.99,
        "correct": False,
        "file": "b/4",
    }
    assert chosen[3][1]["file"] == "a/5"
    assert chosen[0][0].dtype == np.uint8


def test_looks_at_a_limited_number_of_images():
    def batches():
        yield np.zeros((4, 1, 1, 3)), np.zeros(4, int)
        raise AssertionError("asked for more")

    chosen = choose_examples(
        lambda batch: np.ones((len(batch), 2)), batches(), ["a", "b"], 3, 4
    )
    assert len(chosen) == 1
    assert "file" not in chosen[0][1]
