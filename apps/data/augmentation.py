"""What is done to training images, and by what name it is asked for."""

from dataclasses import dataclass
from dataclasses import replace

from kerastl.arguments import checked_flag
from kerastl.arguments import checked_number
from kerastl.arguments import checked_probability
from kerastl.arguments import checked_weight
from kerastl.arguments import unknown_name_error

NONE, LIGHT, STRONG = "none", "light", "strong"


@dataclass(frozen=True)
class Augmentation:
    """Random crops and mirror images, drawn anew for every image and epoch.

    On top of them, where asked for, Keras's own layers, which the pipeline
    draws by its seed. Images that are mixed have the labels of both, each by
    its share: the labels of training batches are then float32
    `(batch, classes)`, for `"categorical_crossentropy"`. Those of validation
    batches stay whole numbers, `keras.ops.one_hot` changes them.

    Args:
        min_area: Smallest area of a crop, as a share of the stored image.
        max_aspect: Largest ratio of a crop's sides.
        flip: Whether half of the images are mirrored left to right. Turn it
            off where left and right mean something, as in digits and signs.
        rand_augment: `factor` of `keras.layers.RandAugment`, from 0, which
            leaves it out, to 1. Every image draws its own two operations.
        random_erasing: Share of the images of which
            `keras.layers.RandomErasing` makes a piece noise.
        mixup: `alpha` of `keras.layers.MixUp`, which blends two images; 0
            leaves it out.
        cutmix: Parameter of the beta distribution that
            `keras.layers.CutMix` draws the size of the piece from that is
            taken from another image, up to 1; 0 leaves it out. With `mixup`
            too, every batch draws which of both it gets.

    Raises:
        ValueError: If a value is out of range.
    """

    min_area: float = 0.5
    max_aspect: float = 1.25
    flip: bool = True
    rand_augment: float = 0.0
    random_erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        checked_number("min_area", self.min_area, above=0, most=1)
        checked_number("max_aspect", self.max_aspect, least=1)
        checked_flag("flip", self.flip)
        for name in ("rand_augment", "random_erasing", "cutmix"):
            checked_probability(name, getattr(self, name))
        checked_weight("mixup", self.mixup)

    @property
    def mixes(self) -> bool:
        """Whether images are made of two, and labels of two classes."""
        return self.mixup > 0 or self.cutmix > 0


#: What can be added to crops and mirror images, and how much of it.
PARTS = {
    "rand_augment": 0.1,
    "random_erasing": 0.25,
    "mixup": 0.2,
    "cutmix": 1.0,
}
# What "strong" stands for: see tests/benchmarks/transfer/PROTOCOL.md. Keras's
# own 0.5 for RandAugment turns images upside down.
_STRONG = ("rand_augment", "random_erasing", "mixup")


def check_augment(augment) -> tuple[str, ...] | None:
    """The names of what is added to crops and mirror images.

    Args:
        augment: `"none"`, `"light"`, which adds nothing, `"strong"`, which
            adds several, or names of `PARTS` joined by `+`.

    Returns:
        Tuple of keys of `PARTS`; `None` where images are not augmented.

    Raises:
        ValueError: If a name is not there; the message has the nearest.
    """
    if not isinstance(augment, str):
        known = [NONE, LIGHT, STRONG, *PARTS]
        raise unknown_name_error("augment", augment, known)
    if augment == NONE:
        return None
    if augment == LIGHT:
        return ()
    if augment == STRONG:
        return _STRONG
    names = [part.strip() for part in augment.split("+")]
    # What stands for several, or for none, is not joined with a part.
    known = PARTS if len(names) > 1 else (NONE, LIGHT, STRONG, *PARTS)
    for name in names:
        if name not in PARTS:
            raise unknown_name_error("augment", name, known, augment)
    return tuple(dict.fromkeys(names))


def make_augmentation(augment, base):
    """The augmentation of that name.

    Args:
        augment: As in `check_augment`.
        base: The `Augmentation` that `"light"` is for these images.

    Returns:
        An `Augmentation`, or `None` for `"none"`.
    """
    names = check_augment(augment)
    if names is None:
        return None
    return replace(base, **{name: PARTS[name] for name in names})


def describe_augmentation(augmentation) -> str:
    """Returns the sentence that says what is done to training images."""
    if augmentation is None:
        return "Training images are not augmented."
    done = ["randomly cropped"]
    if augmentation.flip:
        done.append("mirrored")
    for name, words in (
        ("rand_augment", "distorted (RandAugment)"),
        ("random_erasing", "partly erased"),
        ("mixup", "blended in pairs (MixUp)"),
        ("cutmix", "pasted into each other (CutMix)"),
    ):
        if getattr(augmentation, name):
            done.append(words)
    *first, last = done
    both = " and ".join(filter(None, (", ".join(first), last)))
    return f"Training images are {both}."
