"""Finding images that are not like the others, from normal images alone."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

import kerastl
from kerastl.apps.data.decode_image import UnreadableImageError
from kerastl.apps.data.decode_image import decode_image
from kerastl.apps.data.image_part import map_in_threads
from kerastl.apps.data.load_unlabelled import list_images
from kerastl.arguments import checked_count
from kerastl.arguments import checked_model
from kerastl.arguments import checked_number
from kerastl.arguments import needed_seed
from kerastl.metrics import fit_gaussians
from kerastl.metrics import mahalanobis_score
from kerastl.surgery import copy_model
from kerastl.types import PathLike


@dataclasses.dataclass
class AnomalyDetector:
    """A network that tells normal images from others.

    Attributes:
        model: The fine-tuned network.
        gaussians: Dict from tap name to the Gaussian of normal images.
        threshold: A score that 95 % of the held-out normal images are under.
        history: How well false anomalies were told apart, as area under the
            ROC curve: first before any training, then after each epoch.
        image_size: Side of the square that photos of a folder are cut to.
            `None` where the normal images were no squares.
    """

    model: keras.Model
    gaussians: dict
    threshold: float
    history: list
    image_size: int | None = None

    def score(self, images: np.ndarray | PathLike) -> np.ndarray:
        """Returns one score an image; the higher, the less normal.

        Args:
            images: Array of images, or a folder of them.
        """
        return mahalanobis_score(
            self.model, _read(images, self.image_size), self.gaussians
        )


def detect_anomalies(
    normal: np.ndarray | PathLike,
    network: keras.Model,
    taps: Sequence[str] | None = None,
    epochs: int = 10,
    learning_rate: float = 1e-4,
    batch_size: int = 32,
    validation_split: float = 0.2,
    seed: int = 0,
    image_size: int | None = None,
) -> AnomalyDetector:
    """Fine-tunes a network on normal images alone, to score others by it.

    A Gaussian is fitted to the features of the normal images at every level,
    and training pulls the images' features to it. How long that helps is
    measured with false anomalies: held-out images in which a patch is copied
    to another place. The network of the best epoch is kept, the untrained one
    included, before it forgets what it knows of other images.

    Optimizer, learning rate and the kind of false anomalies could not be read
    in the paper: they are assumed.

    Args:
        normal: Folder of normal images, with or without folders inside, or an
            array `(n, height, width, 3)`.
        network: Pre-trained network for RGB images 0..255; it is left as it
            is.
        taps: Names of the layers to look at. Defaults to the end of each
            stage.
        epochs: Number of epochs; 0 only fits the Gaussians.
        learning_rate: Learning rate of SGD with momentum 0.9.
        batch_size: Images in a batch.
        validation_split: Share of the images that are held out.
        seed: Seed of the split, the order and the false anomalies.
        image_size: Side of the square that photos of a folder are cut to.
            Defaults to the network's; it is needed where the network takes
            images of any size.

    Returns:
        An `AnomalyDetector`.

    Raises:
        ValueError: If there are not at least two images to train on and one
            to hold out, an argument is out of range, or no size is known.

    Example:

    ```python
    source = apps.EfficientNetB0(include_top=False)
    detector = apps.detect_anomalies("bottles/train/good", source)
    suspicious = detector.score("bottles/test") > detector.threshold
    ```

    Reference:
        Rippel et al., "Transfer Learning Gaussian Anomaly Detection by
        Fine-tuning Representations", VISAPP 2022.
    """
    checked_model("network", network)
    epochs = checked_count("epochs", epochs, least=0)
    learning_rate = checked_number("learning_rate", learning_rate, above=0)
    batch_size = checked_count("batch_size", batch_size)
    validation_split = checked_number(
        "validation_split", validation_split, above=0, below=1
    )
    seed = needed_seed("seed", seed)
    if image_size is not None:
        image_size = checked_count("image_size", image_size, least=8)
    image_size = image_size or _square_side(network.input_shape)
    images = _read(normal, image_size)
    image_size = image_size or _square_side(images.shape)
    held = max(round(validation_split * len(images)), 1)
    if len(images) - held < 2:
        raise ValueError(
            "There must be at least two images to train on and one to hold "
            f"out. Received: {len(images)} images, "
            f"validation_split={validation_split}"
        )
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(images))
    unseen, images = images[order[:held]], images[order[held:]]
    false = _with_moved_patches(unseen, generator)
    student = copy_model(network)
    gaussians = fit_gaussians(student, images, taps, batch_size)

    def separation():
        scores = [
            mahalanobis_score(student, part, gaussians, batch_size=batch_size)
            for part in (unseen, false)
        ]
        return _area_under_roc(*scores)

    tuner = kerastl.FineTuner(
        student, network, taps=list(gaussians), batch_norm="freeze"
    )
    tuner.compile(
        keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss=_no_labels,
        transfer_losses=[kerastl.losses.Mahalanobis(gaussians)],
    )
    history, best = [separation()], student.get_weights()
    for _ in range(epochs):
        shuffled = images[generator.permutation(len(images))]
        tuner.fit(
            shuffled,
            np.zeros((len(shuffled), 1), "float32"),
            batch_size=batch_size,
            shuffle=False,
            verbose=0,
        )
        history.append(separation())
        if history[-1] > max(history[:-1]):
            best = student.get_weights()
    student.set_weights(best)
    scores = mahalanobis_score(student, unseen, gaussians)
    return AnomalyDetector(
        student,
        gaussians,
        float(np.quantile(scores, 0.95)),
        history,
        image_size,
    )


@keras.saving.register_keras_serializable(package="kerastl")
def _no_labels(y, predictions):
    """A loss that is 0: the images have no labels to learn."""
    return ops.zeros_like(ops.cast(y[..., 0], "float32"))


def _square_side(shape):
    """The side of square images of a shape, or `None`."""
    is_square = len(shape) == 4 and shape[1] == shape[2]
    return shape[1] if is_square else None


def _read(images, size):
    if hasattr(images, "shape"):
        images = np.asarray(images, "float32")
        if images.ndim != 4 or not np.isfinite(images).all():
            raise ValueError(
                "Images are an array `(n, height, width, 3)` of finite "
                f"numbers. Received: images of shape {images.shape}, finite="
                f"{bool(np.isfinite(images).all())}"
            )
        return images
    if size is None:
        raise ValueError(
            "The network takes images of any size, so how large photos are to "
            "be is not known. Pass `image_size=...`, such as 224, or an "
            f"array of images. Received: image_size=None, images={images!r}"
        )
    files = list_images(images, "normal")

    def decode(file):
        try:
            return decode_image(file, size)
        except UnreadableImageError as error:
            raise UnreadableImageError(
                f"An image cannot be used, {error}. Replace it, or move it "
                f"away. Received: {str(file)!r}"
            ) from error

    return np.stack(map_in_threads(decode, files)).astype("float32")


def _with_moved_patches(images, generator):
    """Copies of images in which a part is seen in another place."""
    moved = images.copy()
    height, width = images.shape[1:3]
    for image in moved:
        tall = generator.integers(height // 8, height // 3)
        wide = generator.integers(width // 8, width // 3)
        (y, v), (x, u) = (
            generator.choice(room, 2, replace=False)
            for room in (height - tall, width - wide)
        )
        image[v : v + tall, u : u + wide] = image[
            y : y + tall, x : x + wide
        ].copy()
    return moved


def _area_under_roc(normal, other):
    """The probability that the other of a pair scores higher."""
    difference = np.asarray(other)[:, None] - np.asarray(normal)[None]
    return float(np.mean(difference > 0) + 0.5 * np.mean(difference == 0))
