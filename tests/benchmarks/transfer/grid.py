"""What to measure: a grid file, and the cells that it stands for.

A grid file is TOML. At the top the settings that all cells share; a list
stands for one cell each:

    data = ["clothing10", "sign_digits10"]
    network = "mobilenet_v2_0.35"
    shots = [5, 10, 25]
    seed = [0, 1, 2, 3, 4]
    image_size = 128
    epochs = 20

    [[methods]]
    method = "fine_tune"
    learning_rate = [0.003, 0.01, 0.03]

    [[methods]]
    method = "ktft"
    antialias = 3

A table of `methods` overrides what is at the top. What no line says has the
value that `Cell` gives it.
"""

import dataclasses
import itertools
import pathlib
import tomllib

from kerastl import apps
from kerastl.apps.data.augmentation import check_augment
from kerastl.apps.recipes.adapt_recipe import check_options
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl.arguments import unknown_name_error

#: Networks by the name in a grid: preset and arguments of its family.
NETWORKS = {
    "mobilenet_v2_0.35": ("mobilenet_v2", {"alpha": 0.35}),
    "mobilenet_v2_1.0": ("mobilenet_v2", {"alpha": 1.0}),
    "mobilenet_0.25": ("mobilenet", {"alpha": 0.25}),
    "resnet8": ("resnet8", {}),
    # By what its weights come from, see small_sources.py.
    "resnet8_clothing": ("resnet8", {}),
    "resnet8_signs": ("resnet8", {}),
    "resnet8_digits": ("resnet8", {}),
    "mobilenet_v2_0.35_clothing": ("mobilenet_v2", {"alpha": 0.35}),
    "mobilenet_v2_0.35_signs": ("mobilenet_v2", {"alpha": 0.35}),
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training to measure: what it is, and nothing of where it runs.

    Args:
        data: Name of the data, whose folder the command line tells;
            `"digits"` is bundled.
        network: A key of `NETWORKS`.
        method: A key of `apps.RECIPES`, or several joined by `+`.
        shots: Labelled images of each class.
        seed: Seed of the images that are drawn, of the training and of the
            method.
        image_size: Height and width of the images.
        epochs: Number of epochs.
        antialias: Taps of the blurs; 0 for none.
        learning_rate: Rate at the start; 0 for the recipe's.
        strength: Factor of the weights of the method's terms.
        head: `"fitted"`, the product's start of a classifier, or `"drawn"`.
        batch_norm: BatchNormalization policy; empty for the recipe's.
        optimizer: `"adam"`, the recipes' own for pre-trained weights, or
            `"sgd"`: what they have for random ones, SGD with momentum and
            BatchNormalization that trains.
        soup: Trainings whose weights are averaged.
        teacher: A key of `NETWORKS`, adapted to the same photos first; empty
            for none.
        unlabelled: 1 where a teacher or the method itself labels the training
            photos that `shots` leaves over, else 0.
        augment: What is done to training images, as `--augment` names it.
        label_smoothing: Share of every label that is spread over all classes.
        keep: The weights that are measured, as `--keep` names them. The best
            epoch is chosen on the validation images: only the test images
            judge it.
        head_learning_rate: The classifier's, as a multiple of the others'.
    """

    data: str
    network: str
    method: str
    shots: int
    seed: int = 0
    image_size: int = 128
    epochs: int = 20
    antialias: int = 0
    learning_rate: float = 0.0
    strength: float = 1.0
    head: str = "fitted"
    batch_norm: str = ""
    optimizer: str = "adam"
    soup: int = 1
    teacher: str = ""
    unlabelled: int = 0
    augment: str = "light"
    label_smoothing: float = 0.0
    keep: str = "last"
    head_learning_rate: float = 1.0

    @property
    def options(self):
        """The `TrainingOptions` of the training."""
        return TrainingOptions(
            keep=self.keep,
            label_smoothing=self.label_smoothing,
            head_learning_rate=self.head_learning_rate,
        )

    @property
    def networks(self):
        """The networks whose weights it takes."""
        return [self.network, *filter(None, [self.teacher])]


FIELDS = tuple(field.name for field in dataclasses.fields(Cell))


def read_grid(path) -> list[Cell]:
    """Reads a grid file.

    Args:
        path: Path of a TOML file.

    Returns:
        The cells in the order of the file, each once: seeds change slowest,
        so that a run that is stopped has whole seeds.

    Raises:
        ValueError: The file is no TOML, or it has an unknown setting, method
            or network (the message has the nearest name), or options that do
            not go with a method.
    """
    path = pathlib.Path(path)
    try:
        grid = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"The grid is no TOML file: {error}. Received: {str(path)!r}"
        ) from error
    methods = grid.pop("methods", [{}])
    cells = []
    for method in methods:
        cells += _expand({**grid, **method}, path)
    unique = list(dict.fromkeys(cells))
    return sorted(unique, key=lambda cell: cell.seed)


def _expand(settings, path):
    for name in settings:
        if name not in FIELDS:
            raise unknown_name_error("setting of a grid", name, FIELDS)
    missing = [
        name
        for name in ("data", "network", "method", "shots")
        if name not in settings
    ]
    if missing:
        raise ValueError(
            f"A grid tells at least data, network, method and shots. Add "
            f"{' and '.join(missing)}. Received: {str(path)!r}"
        )
    values = [
        value if isinstance(value, list) else [value]
        for value in settings.values()
    ]
    for each in itertools.product(*values):
        cell = Cell(**dict(zip(settings, each, strict=True)))
        parts = check_augment(cell.augment) or ()
        mixes = bool({"mixup", "cutmix"} & {*parts})
        check_options(cell.options, apps.get_recipe(cell.method), mixes)
        for network in cell.networks:
            if network not in NETWORKS:
                raise unknown_name_error("network", network, NETWORKS)
        yield cell
