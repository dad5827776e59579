"""What a training step costs, beside the steps that it is made of.

    python tests/benchmarks/fine_tuner_step.py

writes `fine_tuner_step.json` beside this file. Anti-aliased MobileNetV2 0.35
at 96 px, batch 32, on the CPU. Everything that is compared runs in turn, a few
steps each, over and over in one process, so that whatever else the machine does
hits all of them; a ratio is the median over the rounds. Processor time is
measured beside the clock: on a busy machine it is the steadier of the two.

- KTFT (`FineTuner` with both losses) against a plain step and one forward pass
  of the source;
- KTFT under XLA against `keras.distillation.Distiller` under XLA with the same
  two losses at the same layers, as a user has it, and once more with the blurs
  computed as fast as `FineTuner` has them computed (`sum_of_shifts`);
- L2-SP against a plain step.
"""

import argparse
import json
import os
import pathlib
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import ops

import kerastl

RESULTS = pathlib.Path(__file__).with_suffix(".json")
CLASSES = 10
# Steps a round; XLA is slow on the CPU.
STEPS = {"plain": 3, "source forward": 3, "ktft": 3, "l2_sp": 3}
CLOCKS = {"clock": time.perf_counter, "processor": time.process_time}
TARGETS = {
    "ktft / (plain + source forward)": "at most 1.10",
    "distiller xla / ktft xla": "at least 1.8",
    "l2_sp / plain": "at most 1.05",
}


def global_level(source, student):
    difference = ops.mean(student, (1, 2)) - ops.mean(source, (1, 2))
    return ops.mean(ops.square(difference))


def compiled(model, jit_compile=False, **arguments):
    model.compile(
        optimizer=keras.optimizers.SGD(0.001, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        jit_compile=jit_compile,
        **arguments,
    )
    return model


def build(source, student, images, labels):
    """Functions that each run one step, by name."""

    def training(model):
        return lambda: model.train_on_batch(images, labels)

    def tuner(jit_compile):
        tuner = kerastl.FineTuner(kerastl.surgery.copy_model(student), source)
        return compiled(
            tuner,
            jit_compile,
            transfer_losses=[
                kerastl.losses.PixelLevel(1.0),
                kerastl.losses.GlobalLevel(10.0),
            ],
        )

    plain = compiled(kerastl.surgery.copy_model(student))
    l2_sp = kerastl.surgery.copy_model(student)
    kerastl.regularizers.L2SP(0.1).attach(l2_sp)
    taps = kerastl.surgery.default_taps(source, student)
    terms = [
        keras.distillation.FeatureDistillation(
            loss=loss, teacher_layer_name=tap, student_layer_name=tap
        )
        for loss in ("mse", global_level)
        for tap in taps
    ]

    def distiller(shifts):
        copy = kerastl.surgery.copy_model(student)
        for layer in copy.layers:
            if isinstance(layer, kerastl.layers.BlurPooling2D):
                layer.shifts = shifts
        distiller = keras.distillation.Distiller(
            teacher=kerastl.surgery.copy_model(source),
            student=copy,
            distillation_losses=terms,
            distillation_loss_weights=[1.0] * len(taps) + [10.0] * len(taps),
        )
        return compiled(distiller, True)

    return {
        "plain": training(plain),
        "source forward": lambda: source.predict_on_batch(images),
        "ktft": training(tuner(False)),
        "l2_sp": training(compiled(l2_sp)),
        "ktft xla": training(tuner(True)),
        "distiller xla": training(distiller(False)),
        "distiller xla, fast blurs": training(distiller(True)),
    }


def measure(rounds):
    keras.utils.set_random_seed(0)
    source = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, weights=None, classes=CLASSES
    )
    student = kerastl.antialias(source)
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (32, 96, 96, 3)).astype("float32")
    labels = generator.integers(0, CLASSES, 32)
    steps = build(source, student, images, labels)
    for step in steps.values():
        step()
        step()
    times = {clock: {name: [] for name in steps} for clock in CLOCKS}
    load = []
    for _ in range(rounds):
        for name, step in steps.items():
            count = STEPS.get(name, 1)
            start = {clock: read() for clock, read in CLOCKS.items()}
            for _ in range(count):
                step()
            for clock, read in CLOCKS.items():
                taken = 1000 * (read() - start[clock]) / count
                times[clock][name].append(taken)
        load.append(os.getloadavg()[0])
    return {
        "network": "anti-aliased MobileNetV2 0.35, 96 px, batch 32, CPU",
        "rounds": rounds,
        "step_ms": {
            clock: {name: _quartiles(values) for name, values in each.items()}
            for clock, each in times.items()
        },
        "ratios": {clock: _ratios(each) for clock, each in times.items()},
        "targets": TARGETS,
        "cores": os.cpu_count(),
        "load": _quartiles(load),
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "kerastl": kerastl.__version__,
        },
    }


def _ratios(times):
    times = {name: np.array(taken) for name, taken in times.items()}
    ratios = {
        "ktft / (plain + source forward)": times["ktft"]
        / (times["plain"] + times["source forward"]),
        "distiller xla / ktft xla": times["distiller xla"] / times["ktft xla"],
        "distiller xla, fast blurs / ktft xla": times[
            "distiller xla, fast blurs"
        ]
        / times["ktft xla"],
        "l2_sp / plain": times["l2_sp"] / times["plain"],
    }
    return {name: _quartiles(ratio) for name, ratio in ratios.items()}


def _quartiles(values):
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {
        "median": round(float(middle), 3),
        "quartiles": [round(float(low), 3), round(float(high), 3)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    results = measure(options.rounds)
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
