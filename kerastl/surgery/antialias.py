"""Turns a trained CNN into one that does not alias, and shows how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import keras

from kerastl.layers import BlurPooling2D
from kerastl.surgery import graph as graphs
from kerastl.surgery.antialias_plan import plan_antialias
from kerastl.surgery.antialias_report import AntialiasReport
from kerastl.surgery.count_multiply_adds import count_multiply_adds
from kerastl.surgery.count_multiply_adds import has_multiply_adds
from kerastl.surgery.count_multiply_adds import sizes_are_known
from kerastl.surgery.rebuild import rebuild


def antialias(
    model: keras.Model,
    kernel_size: int = 3,
    padding: Literal["reflect", "edge", "zeros"] = "reflect",
    stem: bool = True,
    exclude: Sequence[str] = (),
    name: str | None = None,
    place: Literal["after", "kernel"] = "after",
) -> keras.Model:
    """Makes an anti-aliased copy of a CNN, with its weights.

    Every layer that lowers the resolution by leaving pixels out first runs on
    all of them, and a `kerastl.layers.BlurPooling2D` then low-passes and
    subsamples:

    - a strided convolution gets strides 1, and the blur comes after the
      activation that follows it (its own, or one behind normalisations). A
      1x1 convolution with no activation before the next branch or merge is
      blurred before it instead, which is the same and cheaper;
    - a max pooling gets strides 1, and the blur comes right after it;
    - an average pooling, and a pooling that only picks pixels, becomes a blur
      and keeps its name.

    With `place="kernel"` a strided convolution stays strided, and its kernel
    is convolved with the blur: a 3x3 one computes as a 5x5 one. That blurs
    before the activation, so the network answers otherwise than with the
    blur behind it; on a device it costs little time. What is learned, saved
    and held to a source is the kernel of `model`
    (`kerastl.layers.BlurredConv2D`), and files get the larger one. The map is
    continued by zeros, and the answer is that of the dense convolution over
    it, blurred, on the border too. A `ZeroPadding2D` that only such a layer
    reads becomes a part of it. A 1x1 convolution is blurred before it, which
    is the same and cheaper, poolings are rewritten as above, and what cannot
    carry a blur in its kernel (a layer of a class of its own, or one that is
    called several times) gets it behind its activation.

    The copy has the layer names, weights and output sizes of `model`, and with
    an odd `kernel_size` the sampling phase too: with `kernel_size=1` it
    computes what `model` computes. (An average pooling with an even window is
    centred between pixels, so there the blur has an even number of taps: one
    more than `kernel_size`, or 6 for 7.) An even `kernel_size` moves the phase
    by half a pixel at each of the other layers.

    The blurred network needs fine-tuning, or at least its BatchNormalization
    statistics re-estimated: see `kerastl.reestimate_batch_norm` and
    `kerastl.FineTuner`. `kerastl.inspect_antialias` shows what is done to each
    layer and what it costs.

    Args:
        model: a functional or built sequential `keras.Model`; nested models
            are rewritten too, and stay nested.
        kernel_size: taps of the blurs, 1 to 7. More taps make the network
            steadier and blurrier.
        padding: border of the blurs that are layers of their own:
            `"reflect"`, `"edge"` or `"zeros"`.
        stem: whether to rewrite the layer that reads the largest map, which
            costs the most.
        exclude: names of layers to leave as they are (`"conv1"`, or with the
            nested models that hold them: `"backbone/conv1"`).
        name: name of the new model. Defaults to the name of `model`.
        place: where the blur of a strided convolution goes: `"after"` its
            activation, or into its `"kernel"`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`, not
        compiled, with every layer trainable.

    Raises:
        ValueError: if an argument is out of range, the model is subclassed or
            has down-sampling hidden in a custom layer, nothing in it lowers
            the resolution of a 2-D map, or a map is too small to be reflected
            or has fewer pixels than a kernel's blur reaches.

    Example:

    >>> source = keras.applications.MobileNetV2(alpha=0.35, weights=None)
    >>> student = kerastl.antialias(source, kernel_size=3)
    >>> student.output_shape
    (None, 1000)

    Reference:

    - Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019,
      section 3.2 (arXiv 1904.11486).
    - Vasconcelos et al., "Impact of Aliasing on Generalization in Deep
      Convolutional Networks", ICCV 2021 (arXiv 2108.03489), for fixed filters
      before the activation.
    """
    plan = plan_antialias(model, kernel_size, padding, stem, exclude, place)
    _raise_if_refused(plan, model)

    def clone(layer):
        if id(layer) not in plan.layers:
            return None
        replacement, config = plan.layers[id(layer)]
        return replacement.from_config(config)

    def call(node, layer, *args, **kwargs):
        if node.key in plan.skipped:
            return args[0]
        blur = plan.before.get(node.key)
        if blur:
            args, kwargs = keras.tree.map_structure(
                lambda value: (
                    BlurPooling2D(**blur)(value)
                    if isinstance(value, keras.KerasTensor)
                    else value
                ),
                (args, kwargs),
            )
        outputs = layer(*args, **kwargs)
        blur = plan.after.get(node.key)
        return BlurPooling2D(**blur)(outputs) if blur else outputs

    return rebuild(model, clone=clone, call=call, name=name)


def _raise_if_refused(plan, model):
    if not plan.rows:
        raise ValueError(
            "There is nothing to anti-alias: no layer of the model lowers the "
            "resolution of a 2-D feature map. "
            f"Received: model={model.name} with input shape "
            f"{model.input_shape}"
        )
    if not plan.refused:
        return
    row = plan.refused[0]
    raise ValueError(
        f"Layer {row.layer} ({row.kind}) cannot be anti-aliased: "
        f"{row.reason}. Or leave the layer as it is: "
        f"`exclude=[{row.layer!r}]`. Received: model={model.name} (see "
        "`kerastl.inspect_antialias(model)`)"
    )


def inspect_antialias(
    model: keras.Model,
    kernel_size: int = 3,
    padding: Literal["reflect", "edge", "zeros"] = "reflect",
    stem: bool = True,
    exclude: Sequence[str] = (),
    place: Literal["after", "kernel"] = "after",
) -> AntialiasReport:
    """Reports what `kerastl.antialias` does to each down-sampling layer.

    Nothing is built, so it is quick, and it also works where `antialias`
    refuses: print the report to see which layer stands in the way.

    Args:
        model: as for `kerastl.antialias`, and so are `kernel_size`, `padding`,
            `stem`, `exclude` and `place`.

    Returns:
        An `AntialiasReport`: `rows`, the multiply-adds of one image before and
        after, `str()` for a table, `to_dict()` for JSON.

    Raises:
        ValueError: if an argument is out of range or the model is subclassed.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8, 8, 3)), keras.layers.MaxPooling2D(name="pool")]
    ... )
    >>> kerastl.inspect_antialias(model).rows[0].blur
    'pool_blur'
    """
    plan = plan_antialias(model, kernel_size, padding, stem, exclude, place)
    nodes = [node for _, node in graphs.walk(model)]
    before = after = None
    if all(
        sizes_are_known(node)
        for node in nodes
        if node.key in plan.costs or has_multiply_adds(node.operation)
    ):
        before = count_multiply_adds(model)
        after = before + sum(plan.costs.get(node.key, 0) for node in nodes)
    return AntialiasReport(model.name, tuple(plan.rows), before, after)
