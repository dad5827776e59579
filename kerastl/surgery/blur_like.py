"""Blurs a network as another one is blurred."""

import itertools

import keras

from kerastl.layers import BlurPooling2D
from kerastl.layers.blur_pooling_2d import MAX_KERNEL_SIZE
from kerastl.layers.kernel_blur import KernelBlur
from kerastl.surgery import graph as graphs
from kerastl.surgery.antialias import antialias
from kerastl.surgery.antialias_plan import plan_antialias
from kerastl.surgery.blur_placement import PLACES
from kerastl.surgery.downsampling import downsampling
from kerastl.surgery.downsampling import is_blur


def find_blurs(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of the model that blur before they skip pixels."""
    return [layer for layer in model._flatten_layers() if is_blur(layer)]


def blur_taps(blur: keras.layers.Layer) -> tuple[int, int]:
    """Taps of a blur, one for each direction."""
    return blur.blur_size if isinstance(blur, KernelBlur) else blur.kernel_size


def blur_like(model: keras.Model, like: keras.Model) -> keras.Model:
    """Makes a copy of a CNN that is anti-aliased as another one is.

    What was asked of `kerastl.antialias` is read from the layers of `like`:
    the taps, the border, the place, and what was excluded. Its input may be
    of another size, and its head another one.

    Args:
        model: The network to blur; it keeps its weights.
        like: The same architecture with blurs, such as a file brings.

    Returns:
        As `kerastl.antialias`. `model` itself where `like` has no blurs.

    Raises:
        ValueError: If the blurs are not of `kerastl.antialias`, are other
            layers than `model` down-samples with, or do not fit its maps.

    Example:

    >>> blurred = kerastl.antialias(source, kernel_size=5, stem=False)
    >>> twin = blur_like(source, blurred)
    """
    blurs = find_blurs(like)
    if not blurs:
        return model
    calls = {node.path: node for _, node in graphs.walk(like)}
    # What is strided in both was excluded, the stem perhaps.
    exclude = sorted(
        node.path
        for _, node in graphs.walk(model)
        if downsampling(node.operation)
        and node.path in calls
        and downsampling(calls[node.path].operation)
    )
    found = _found(like)
    for taps, place in itertools.product(_possible_taps(blurs), PLACES):
        options = {
            "kernel_size": taps,
            "padding": _border(blurs),
            "stem": True,
            "exclude": exclude,
            "place": place,
        }
        plan = plan_antialias(model, **options)
        if not plan.refused and _planned(plan) == found:
            return antialias(model, **options)
    raise ValueError(
        f"The blurs of model {like.name!r} cannot be put into "
        f"{model.name!r}: they are not those of `kerastl.antialias`, or do "
        "not fit maps of this size. Take the network itself (`keras.models."
        "load_model`), or save its weights alone (`save_weights`) and pass "
        f"that file: no blurs come with it. Received: "
        f"blurs {[each.name for each in blurs]}, "
        f"input shape {model.input_shape}"
    )


def _border(blurs):
    """The border rule of the blurs that are layers of their own."""
    rules = [each.padding for each in blurs if isinstance(each, BlurPooling2D)]
    return rules[0] if rules else "reflect"


def _possible_taps(blurs):
    """Which `kernel_size` may have made these, the likeliest first.

    Where a pooling has an even window its blur has one tap more than was
    asked, and one less for the most there are.
    """
    sizes = {max(blur_taps(each)) for each in blurs}
    return sorted(
        {
            taps
            for size in sizes
            for taps in (size - 1, size, size + 1)
            if 1 <= taps <= MAX_KERNEL_SIZE
        },
        key=lambda taps: (taps not in sizes, taps % 2 == 0, taps),
    )


def _found(model):
    """The blurs of a network, as one compares them.

    Their names and taps, and for those that are layers of their own whether
    they come before the convolution after which they are named.
    """
    found = []
    for graph, node in graphs.walk(model):
        if not is_blur(node.operation):
            continue
        readers = graph.readers(node.outputs[0])
        before = any(
            isinstance(reader.operation, keras.layers.Layer)
            and node.operation.name.startswith(f"{reader.operation.name}_blur")
            for reader in readers
        )
        name, taps = node.operation.name, tuple(blur_taps(node.operation))
        found.append((name, taps, before))
    return sorted(found)


def _planned(plan):
    """The same of those that a plan would make."""
    made = [
        (
            config["name"],
            config.get("blur_size") or config["kernel_size"],
            False,
        )
        for layer, config in plan.layers.values()
        if issubclass(layer, (BlurPooling2D, KernelBlur))
    ]
    for blurs, before in ((plan.before, True), (plan.after, False)):
        made += [
            (config["name"], config["kernel_size"], before)
            for config in blurs.values()
        ]
    return sorted((name, tuple(taps), before) for name, taps, before in made)
