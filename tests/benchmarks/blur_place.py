"""Where the blur goes: after the activation, or into the strided kernel.

    python tests/benchmarks/blur_place.py DATA WEIGHTS
    python tests/benchmarks/blur_place.py --methods digits DATA WEIGHTS

DATA is a folder with train, validation and test folders of class folders;
WEIGHTS are headless ImageNet weights of MobileNetV2 0.35. Every network is
trained as `kerastl finetune` does by default, at 128 px on 25 photos a class
that the seed draws, and measured on the validation and test photos together:
accuracy, the share of photos that keep their class when the crop moves by up
to 16 pixels, and accuracy under Gaussian noise and Gaussian blur. Nothing is
chosen on these photos. With the method `digits` it is the transfer of `kerastl
quickstart` instead, whose images are not augmented, measured on its test images
under shifts by up to 6 pixels. `blur_place.json` beside this file keeps every
training, and none is repeated; its summary has differences paired by seed, with
the 95 % interval of Student's t. Methods may be joined, as in
`averaged_imprinting+shift_consistency` or `digits+shift_consistency`.
"""

import argparse
import functools
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from scipy import ndimage
from scipy import stats

import kerastl
from kerastl import apps
from kerastl.apps.runs import digits_experiment
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.run_identity import versions
from kerastl.apps.runs.train_network import train_network

RESULTS = pathlib.Path(__file__).with_suffix(".json")
IMAGE_SIZE = 128
MARGIN = 16
SHOTS = 25
EPOCHS = 20
ALPHA = 0.35
PASSES = 5
NOISE = 16.0
BLUR = 1.0
DIGITS = "digits"
# What is passed to `prepare_student`.
VARIANTS = {
    "strided": {},
    "after": {"kernel_size": 3},
    "kernel": {"kernel_size": 3, "place": "kernel"},
    "after, stem left": {"kernel_size": 3, "stem": False},
    "kernel, stem left": {"kernel_size": 3, "place": "kernel", "stem": False},
    "after, 5 taps": {"kernel_size": 5},
    "kernel, 5 taps": {"kernel_size": 5, "place": "kernel"},
}
MEASURES = ("accuracy", "consistency", "noisy", "blurred")


def train(variant, method, seed, folder, weights):
    """One training, and what it reached."""
    keras.backend.clear_session()
    first, _, more = method.partition("+")
    if first == DIGITS:
        return train_digits(variant, more, seed)
    keras.utils.set_random_seed(seed)
    data = apps.load_image_folder(
        folder,
        image_size=IMAGE_SIZE,
        batch_size=32,
        margin=MARGIN,
        shots=SHOTS,
        seed=seed,
    )
    preset = apps.get_preset("mobilenet_v2")
    recipe = apps.get_recipe(method)
    source = preset.build(
        weights,
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        include_top=False,
        alpha=ALPHA,
    )
    student, _ = prepare_student(
        source, data.num_classes, seed=seed, **VARIANTS[variant]
    )
    student, _ = train_network(
        student,
        source,
        recipe,
        data,
        EPOCHS,
        learning_rate=recipe.highest_rate(preset.usual_rate(weights, ALPHA)),
        validate=False,
        seed=seed,
        new_head=True,
    )
    return measure(student, data, ("validation", "test"), MARGIN)


def train_digits(variant, more, seed):
    """One transfer of the quickstart, from the same source every time.

    Args:
        variant: A key of `VARIANTS`.
        more: Methods that are joined to fine-tuning, or "".
        seed: Seed of the images and of the training.
    """
    source = digits_source()
    data = digits_experiment.digits_target(seed)
    keras.utils.set_random_seed(seed)
    student, _ = prepare_student(
        source, data.num_classes, seed=seed, **VARIANTS[variant]
    )
    blurred = "antialias" if VARIANTS[variant] else "fine_tune"
    student, _ = train_network(
        student,
        source,
        apps.get_recipe("fine_tune" + (more and f"+{more}")).from_scratch(),
        data,
        digits_experiment.EPOCHS,
        learning_rate=digits_experiment.LEARNING_RATES[blurred],
        validate=False,
        seed=seed,
    )
    return measure(student, data, ("test",))


@functools.cache
def digits_source():
    return digits_experiment.train_digits_source()[0]


def measure(model, data, parts, margin=None):
    """Accuracies and shift consistency on the images not trained on."""
    names = parts
    parts = [data.larger_images(part, margin=0) for part in names]
    images = np.concatenate([images for images, _ in parts]).astype("float32")
    labels = np.concatenate([labels for _, labels in parts])
    larger = np.concatenate(
        [data.larger_images(part, margin=margin)[0] for part in names]
    )
    noise = np.random.default_rng(0).normal(0, NOISE, images.shape)
    noisy = np.clip(images + noise, 0, 255).astype("float32")
    blurred = ndimage.gaussian_filter(images, (0, BLUR, BLUR, 0))

    def accuracy(images):
        scores = model.predict(images, batch_size=64, verbose=0)
        return 100 * float(np.mean(scores.argmax(-1) == labels))

    consistency = kerastl.metrics.shift_consistency(
        model, larger, data.image_size, passes=PASSES
    )
    found = {
        "accuracy": accuracy(images),
        "consistency": 100 * consistency,
        "noisy": accuracy(noisy),
        "blurred": accuracy(blurred),
    }
    return {name: round(value, 2) for name, value in found.items()}


def summarize(rows):
    """Means, and paired differences.

    Of a variant to the strided network and to the blur after the activation,
    and of methods joined by `+` to the first of them alone.
    """
    values = {}
    for row in rows:
        method = values.setdefault(row["method"], {})
        found = method.setdefault(row["variant"], {})
        found[row["seed"]] = [row[name] for name in MEASURES]
    summary = {}
    for method in sorted(values):
        summary[method] = {}
        for variant, found in values[method].items():
            others = {
                f"minus {other}": values[method].get(other)
                for other in ("strided", "after")
                if other != variant
            }
            first = method.partition("+")[0]
            if first != method:
                alone = values.get(first, {})
                others[f"minus {first}"] = alone.get(variant)
            summary[method][variant] = {
                "seeds": len(found),
                "mean": _named(np.mean([*found.values()], 0)),
                **{
                    name: difference(found, other)
                    for name, other in others.items()
                    if other
                },
            }
    return summary


def difference(one, other, names=MEASURES):
    """The mean of paired differences, and half its 95 % interval.

    Args:
        one: Dict from seed to a value for each of `names`.
        other: The same of what is taken off.
        names: Names of the values.
    """
    seeds = sorted(one.keys() & other.keys())
    gaps = np.array([np.subtract(one[seed], other[seed]) for seed in seeds])
    result = {"seeds": len(seeds), "mean": _named(gaps.mean(0), names)}
    if len(seeds) > 1:
        half = stats.t.ppf(0.975, len(seeds) - 1) * stats.sem(gaps)
        result["interval"] = _named(half, names)
    return result


def _named(values, names=MEASURES):
    return {
        name: round(float(value), 2)
        for name, value in zip(names, values, strict=True)
    }


def write(path, rows):
    results = {
        "network": f"MobileNetV2 {ALPHA}, {IMAGE_SIZE} px",
        "shots": SHOTS,
        "epochs": EPOCHS,
        "margin": MARGIN,
        "noise": NOISE,
        "blur": BLUR,
        "summary": summarize(rows),
        "rows": rows,
        "versions": versions(),
    }
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(beside, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", default="averaged_imprinting")
    parser.add_argument("--variants", default="strided;after;kernel")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    rows = []
    if options.output.exists():
        rows = json.loads(options.output.read_text())["rows"]
    for seed in range(options.seeds):
        for method in options.methods.split(","):
            for variant in options.variants.split(";"):
                cell = {"variant": variant, "method": method, "seed": seed}
                if any(cell.items() <= row.items() for row in rows):
                    continue
                found = train(
                    **cell, folder=options.data, weights=options.weights
                )
                rows.append({**cell, **found})
                print(json.dumps(rows[-1]), flush=True)
                write(options.output, rows)


if __name__ == "__main__":
    main()
