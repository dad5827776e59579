"""From the model that was trained to the model that is written."""

import dataclasses

import keras
import numpy as np

from kerastl.surgery import graph
from kerastl.surgery.find_kernels import find_kernels
from kerastl.surgery.fold_blurs import fold_blurs
from kerastl.surgery.fold_blurs import has_kernel_blurs
from kerastl.surgery.plain_weights import with_plain_weights
from kerastl.surgery.rebuild import config_of
from kerastl.surgery.rebuild import rebuild
from kerastl.surgery.rebuild import remake

# Layers that change images in training only.
_AUGMENTATIONS = tuple(
    getattr(keras.layers, name)
    for name in dir(keras.layers)
    if name.startswith("Random")
    or name in ("AugMix", "CutMix", "MixUp", "RandAugment")
)
_LOW_PRECISION = ("float16", "bfloat16")


@dataclasses.dataclass
class Lowered:
    """A model ready to be converted.

    Attributes:
        model: Functional float32 model without training-only layers.
        source: The plain model that the user gave: the measure of truth.
        input_shape: Shape of one image.
        num_classes: Number of outputs.
        notes: What was changed on the way, in sentences.
        kernels: Where the model was trained quantization-aware, the
            `FixedKernel`s that its weights became; otherwise `None`.
    """

    model: keras.Model
    source: keras.Model
    input_shape: tuple
    num_classes: int
    notes: list
    kernels: list | None = None

    def to_write(self, output_name, batch_size):
        """Returns the model and signature for a file with readable names.

        Args:
            output_name: Name of the output; the input is called `image`.
            batch_size: Images that the file takes at once, or `None` for any
                number.
        """
        model = keras.Model(
            self.model.inputs,
            {output_name: self.model.outputs[0]},
            # A name that counts the models of the process would get into the
            # names of a file's tensors.
            name="network",
        )
        image = keras.InputSpec(
            dtype="float32", shape=(batch_size, *self.input_shape), name="image"
        )
        return model, [image]


def lower(model):
    """Returns the inference-only float32 twin of `model`.

    Augmentation layers are taken out, and a model that computes in
    mixed_float16 or mixed_bfloat16 is rebuilt in float32 from the same
    weights: a converter would keep the casts, and TFLite cannot run them.
    An input of integers becomes one of float32 for the same reason. A model
    that needs none of it is used as it is. `model` is never changed.

    Args:
        model: Functional or Sequential model with one image input and one
            output, perhaps in a dictionary or a list, or a `FineTuner`, whose
            student is taken.

    Returns:
        A `Lowered`.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If it is subclassed, has several inputs or outputs, or an
            image size that is not fixed.
    """
    source, notes = plain_model(model)
    input_shape, num_classes = check_shapes(source)
    nodes = [node for _, node in graph.walk(source)]
    augmentations = [node.path for node in nodes if is_augmentation(node)]
    policies = sorted(
        {
            layer.dtype_policy.name
            for layer in walk_layers(source)
            if layer.compute_dtype in _LOW_PRECISION
        }
    )
    lowered = with_plain_weights(source)
    if lowered is not source:
        notes.append(
            "Written from the kernels that the layers compute with: LoRA "
            "merged, quantization of Keras undone."
        )
    if has_kernel_blurs(lowered):
        lowered = fold_blurs(lowered)
    dtype = keras.backend.standardize_dtype(source.inputs[0].dtype)
    # NumPy's numbers make the result float64, which the converters refuse.
    wide = any(out.dtype == "float64" for node in nodes for out in node.outputs)
    if augmentations or policies or "int" in dtype or wide:
        lowered = rebuild(
            lowered,
            clone=_in_float32,
            call=_call_in_inference,
            clone_input=_float_input,
        )
    if augmentations:
        notes.append(
            f"Left out the augmentation layers {', '.join(augmentations)}."
        )
    if policies:
        notes.append(
            f"Trained with {', '.join(policies)}; written from its float32 "
            "weights."
        )
    if "int" in dtype:
        notes.append(f"Takes float32 images, where the model takes {dtype}.")
    return Lowered(one_to_one(lowered), source, input_shape, num_classes, notes)


def plain_model(model):
    """Returns the functional model inside `model`, and notes about it."""
    notes = []
    student = getattr(model, "student", None)
    if isinstance(student, keras.Model):
        notes.append(f"Took the student of the {type(model).__name__}.")
        model = student
    if not isinstance(model, keras.Model):
        raise TypeError(
            "Expected a Keras model. Received: "
            f"model={model!r} (of type {type(model).__name__})"
        )
    if not graph.is_graph(model):
        raise ValueError(
            "A subclassed model has no fixed input that a file could be "
            "written for. Wrap it first: "
            "`inputs = keras.Input((height, width, 3)); "
            "model = keras.Model(inputs, model(inputs))`. "
            f"Received: model={model.name!r} (of type "
            f"{type(model).__name__})"
        )
    graph.read_graph(model)  # says what to do if it is not built
    return model, notes


def one_to_one(model):
    """Returns the functional model from one tensor to one tensor.

    Models may hold their input and output in dictionaries and lists, which
    matters to nobody who knows that there is one of each.

    Raises:
        ValueError: If there are several.
    """
    for kind, tensors, advice in (
        ("input", model.inputs, "A file takes one image and nothing else."),
        (
            "output",
            model.outputs,
            "Choose one: `keras.Model(model.inputs[0], model.outputs[i])`.",
        ),
    ):
        if len(tensors) != 1:
            names = ", ".join(
                repr(graph.input_operation(tensor).name) for tensor in tensors
            )
            raise ValueError(
                f"Expected a model with one {kind}. Received: {len(tensors)} "
                f"{kind}s, of the layers {names}, in model={model.name!r}. "
                f"{advice}"
            )
    found = graph.read_graph(model)
    if all(
        isinstance(each, keras.KerasTensor)
        for each in (found.inputs, found.outputs)
    ):
        return model
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def walk_layers(model):
    """Yields the layers of `model` in the order that they run."""
    for _, node in graph.walk(model):
        if isinstance(node.operation, keras.Layer):
            yield node.operation
            yield from graph.hidden_layers(node.operation)


def check_shapes(model):
    """Returns the shape of an image and the number of classes.

    Raises:
        ValueError: If `model` is no classifier of images of one size.
    """
    model = one_to_one(model)
    input_shape = tuple(model.inputs[0].shape[1:])
    if len(input_shape) != 3 or None in input_shape:
        raise ValueError(
            "The model must have a fixed image size. Fix it first: "
            "`inputs = keras.Input((height, width, 3)); "
            "model = keras.Model(inputs, model(inputs))`. "
            f"Received: input shape {tuple(model.inputs[0].shape)}"
        )
    output_shape = tuple(model.outputs[0].shape)
    if len(output_shape) != 2 or output_shape[1] is None:
        raise ValueError(
            "Expected a classifier, whose output has the shape (batch, "
            f"classes). Received: output shape {output_shape}"
        )
    return input_shape, output_shape[1]


def is_augmentation(node):
    """Whether a call changes images in training only."""
    return (
        isinstance(node.operation, _AUGMENTATIONS)
        # A random crop that changes the size also crops in inference.
        and node.inputs[0].shape == node.outputs[0].shape
    )


def _call_in_inference(node, layer, *args, **kwargs):
    if is_augmentation(node):
        return args[0]
    args, kwargs = keras.tree.map_structure(_narrow, (args, kwargs))
    return layer(*args, **kwargs)


def _narrow(value):
    wide = isinstance(value, np.ndarray) and value.dtype == "float64"
    return value.astype("float32") if wide else value


def _float_input(tensor):
    config = graph.input_operation(tensor).get_config()
    return keras.layers.InputLayer.from_config(
        {**config, "dtype": "float32"}
    ).output


def _in_float32(layer):
    if not isinstance(layer, keras.Layer):
        return None  # operations of `keras.ops` follow their inputs
    return remake(layer, _float32_config(config_of(layer)))


def _float32_config(config):
    """Replaces every dtype policy in a config, those of sublayers too."""
    if isinstance(config, (list, tuple)):
        return type(config)(map(_float32_config, config))
    if not isinstance(config, dict):
        return config
    if config.get("class_name") in ("DTypePolicy", "DTypePolicyMap"):
        return "float32"
    return {key: _float32_config(value) for key, value in config.items()}


def describe_compression(model):
    """Says in sentences how sparse and how clustered the kernels are.

    Args:
        model: The model that is written.

    Returns:
        List of sentences, empty for a model that is neither.
    """
    zeros, values = measure_compression(model)
    notes = []
    if zeros is not None:
        notes.append(f"Pruned: {100 * zeros:.0f} % of the weights are zero.")
    if values is not None:
        notes.append(f"Clustered: a kernel has at most {values} values.")
    if notes:
        notes.append(
            "That makes the file smaller when it is zipped. On the device it "
            "takes as much memory and time as before: only channels that are "
            "gone are faster (`kerastl.surgery.prune_channels`)."
        )
    return notes


_FEWEST_ZEROS = 0.1
_MOST_VALUES = 64


def measure_compression(model):
    """Measures what pruning and clustering left in the kernels of a model.

    Args:
        model: A Keras model.

    Returns:
        The share of the weights that are zero, `None` if they are fewer than
        a pruned network has; and the number of values that a kernel has at
        most, `None` if the kernels are not clustered.

    Example:

    ```python
    zeros, values = measure_compression(model)
    ```
    """
    try:
        kernels = [kernel.numpy() for kernel in find_kernels(model)]
    except ValueError:  # a model without kernels
        return None, None
    size = sum(kernel.size for kernel in kernels)
    zeros = float(sum(np.sum(kernel == 0) for kernel in kernels) / size)
    # A small kernel has few values by nature.
    numbers = [
        len(np.unique(kernel))
        for kernel in kernels
        if kernel.size > 2 * _MOST_VALUES
    ]
    values = max(numbers, default=None)
    return (
        zeros if zeros >= _FEWEST_ZEROS else None,
        values if values is not None and values <= _MOST_VALUES else None,
    )
