"""The source's features of images, kept for all epochs of a training."""

import hashlib
import json
import tempfile

import keras
import numpy as np
from keras import ops

from kerastl.data.batches import as_inputs
from kerastl.data.batches import images_of
from kerastl.data.batches import joined
from kerastl.data.batches import labelled_batches
from kerastl.training.stored_rows import stored_rows

_DIGEST_BYTES = 16
# Of the largest feature. The weights are compared exactly; this is for what
# no weight shows, such as another preprocessing, on another machine.
_TOLERANCE = 1e-2


class FeatureStore:
    """Features of images, found by the images themselves.

    An image is known by the digest of its values, so that the images may come
    in any order, and one that was changed is not taken for the stored one.

    Args:
        features: Dict from layer name to an array of one row an image.
        digests: The digests of the images, `(images, 16)` bytes.
        origin: Where the features lie, for messages.
    """

    def __init__(self, features, digests, origin="memory"):
        self.features = features
        self.origin = origin
        self._rows = {
            digest.tobytes(): row for row, digest in enumerate(digests)
        }

    @classmethod
    def compute(cls, source, data, path=None):
        """Runs `source` on all images of `data`, a dataset of batches.

        Args:
            source: What `frozen_source` makes.
            data: A `PyDataset` or `tf.data.Dataset` of batches.
            path: `pathlib.Path` of a folder that does not exist, or `None` to
                keep the features in memory.
        """
        batches = _source_batches(source, data)
        if path is None:
            arrays, digests = stored_rows(batches)
            return cls(dict(zip(source.output, arrays, strict=True)), digests)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f".{path.name}-"
        ) as staging:
            folder = path.parent / staging / path.name
            _, digests = stored_rows(batches, folder)
            np.save(folder / "images.npy", digests)
            description = json.dumps(_description(source), indent=2)
            (folder / "source.json").write_text(description)
            try:
                folder.replace(path)
            except OSError:
                # Another process, which stores the same, was first.
                if not path.exists():
                    raise
                return cls.open(path, source, data)
        return cls._read(path)

    @classmethod
    def open(cls, path, source, data):
        """Opens what `compute` wrote, if it is of this source and these images.

        Raises:
            ValueError: If `path` is no store, or that of something else.
        """
        _check_source(path, source)
        store = cls._read(path)
        digests = []
        for images, _ in labelled_batches(data, None, False):
            if not digests:
                store._check_features(source, images)
            digests += _digests(images)
        missing = sum(digest not in store._rows for digest in digests)
        if missing:
            raise _stale(
                path, f"{missing} of {len(digests)} images are not in it"
            )
        return store

    @classmethod
    def _read(cls, path):
        names = json.loads((path / "source.json").read_text())["features"]
        features = {
            name: np.load(path / f"features_{i}.npy", mmap_mode="r")
            for i, name in enumerate(names)
        }
        return cls(features, np.load(path / "images.npy"), str(path))

    def _check_features(self, source, images):
        known = [digest in self._rows for digest in _digests(images)]
        if not all(known):
            return
        stored = self.look_up(images)
        for name, values in source(
            as_inputs(source, images), training=False
        ).items():
            values = _array(values).astype("float32")
            apart = np.abs(values - stored[name].astype("float32")).max()
            if not apart <= _TOLERANCE * np.abs(values).max():
                raise _stale(
                    self.origin, f"the source gives other features at {name!r}"
                )

    def look_up(self, images):
        """Dict from layer name to the features of a batch of images.

        Raises:
            ValueError: If an image is not among the stored ones.
        """
        rows = [self._rows.get(digest) for digest in _digests(images)]
        missing = rows.count(None)
        if missing:
            raise ValueError(
                "The source's features were stored for other images than the "
                "data gives now. Features can only be stored where the images "
                "are the same in every epoch: leave augmentation out, or fit "
                "on the data without stored features. "
                f"Received: a batch of {len(rows)} images, {missing} of them "
                f"not among the {len(self._rows)} in {self.origin}"
            )
        return {
            name: np.asarray(rows_of[rows])
            for name, rows_of in self.features.items()
        }

    def join(self, batch):
        """A batch with the stored features of its images in its inputs."""
        x, *rest = batch if isinstance(batch, (tuple, list)) else (batch,)
        found = self.look_up(images_of((x,)))
        return joined(x, "source_features", found), *rest


def _source_batches(source, data):
    names = list(source.output)
    rank = len(keras.tree.flatten(source.input)[0].shape)
    for images, _ in labelled_batches(data, None, False):
        if len(images.shape) != rank:
            raise ValueError(
                "The source reads batches of images. Batch the dataset first: "
                "`dataset.batch(...)`. Received: images of shape "
                f"{tuple(images.shape)}"
            )
        found = source(as_inputs(source, _array(images)), training=False)
        digests = np.frombuffer(b"".join(_digests(images)), "uint8")
        yield (
            [_array(found[name]) for name in names],
            digests.reshape(-1, _DIGEST_BYTES),
        )


def _array(values):
    return ops.convert_to_numpy(values)


def _digests(images):
    return [
        hashlib.blake2b(image.tobytes(), digest_size=_DIGEST_BYTES).digest()
        for image in _array(images)
    ]


def _description(source):
    weights = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for weight in source.weights:
        weights.update(_array(weight).tobytes())
    return {
        "weights": weights.hexdigest(),
        "features": {
            name: [*output.shape[1:], output.dtype]
            for name, output in source.output.items()
        },
    }


def _check_source(path, source):
    try:
        found = json.loads((path / "source.json").read_text())
    except FileNotFoundError:
        raise ValueError(
            "Stored features are expected in the folder, and there are none. "
            "Choose a path that does not exist yet. "
            f"Received: path={str(path)!r}"
        ) from None
    expected = _description(source)
    for field, what in (
        ("weights", "the weights of the source are others"),
        ("features", "the taps, their shapes or dtypes are others"),
    ):
        if found[field] != expected[field]:
            raise _stale(path, what)


def _stale(path, what):
    return ValueError(
        "The folder holds the features of another source or of other images. "
        "Choose another path, or delete the folder to store them anew. "
        f"Received: path={str(path)!r}, where {what}"
    )
