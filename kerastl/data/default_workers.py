import keras


def default_workers():
    """How many threads make the batches of a `keras.utils.PyDataset`.

    With one, Keras on TensorFlow lets tf.data's autotuner run, which the end
    of a short epoch waits for (tests/benchmarks/short_epochs.py). With two,
    Keras 3.15 on JAX trains on some batches twice and on others not at all,
    where `fit` shuffles them.
    """
    return 2 if keras.backend.backend() == "tensorflow" else 1
