"""Decides what anti-aliasing does to each down-sampling layer."""

import dataclasses
import math
from collections import Counter

from kerastl.layers import BlurPooling2D
from kerastl.layers import blur_grid
from kerastl.layers.blur_pooling_2d import MAX_KERNEL_SIZE
from kerastl.surgery import downsampling as sampling
from kerastl.surgery import graph as graphs
from kerastl.surgery.antialias_report import AntialiasRow
from kerastl.surgery.blur_placement import blur_place
from kerastl.surgery.blur_placement import check_arguments
from kerastl.surgery.blur_placement import check_exclude
from kerastl.surgery.blur_placement import names_of
from kerastl.surgery.blur_placement import plan_kernel_blur
from kerastl.surgery.count_multiply_adds import has_multiply_adds
from kerastl.surgery.count_multiply_adds import layer_multiply_adds
from kerastl.surgery.count_multiply_adds import sizes_are_known
from kerastl.surgery.rebuild import config_of

_SHORT_KINDS = {
    "AveragePooling2D": "AvgPool",
    "MaxPooling2D": "MaxPool",
    "DepthwiseConv2D": "Depthwise",
    "SeparableConv2D": "Separable",
    "Conv2D": "Conv",
}


@dataclasses.dataclass
class AntialiasPlan:
    """The decisions for a whole model.

    Attributes:
        rows: what is reported, in execution order.
        layers: id of a layer -> the function that makes its replacement.
        before: key of a call -> the blur that its input goes through first.
        after: key of a call -> the blur that its output goes through.
        skipped: keys of the calls that another layer takes over.
        costs: key of a call -> the multiply-adds that its rewrite adds, `None`
            when a size is not known.
    """

    rows: list[AntialiasRow] = dataclasses.field(default_factory=list)
    layers: dict = dataclasses.field(default_factory=dict)
    before: dict = dataclasses.field(default_factory=dict)
    after: dict = dataclasses.field(default_factory=dict)
    skipped: set = dataclasses.field(default_factory=set)
    costs: dict = dataclasses.field(default_factory=dict)

    @property
    def refused(self) -> list[AntialiasRow]:
        return [row for row in self.rows if row.action == "refused"]


def plan_antialias(model, kernel_size, padding, stem, exclude, place="after"):
    """Makes the `AntialiasPlan` of a functional or sequential model.

    The arguments are those of `kerastl.antialias`.
    """
    kernel_size = check_arguments(kernel_size, padding, place)
    # A nested model is rewritten once, however often it is called.
    calls = list({n.key: (g, n) for g, n in graphs.walk(model)}.values())
    exclude = check_exclude(exclude, calls)
    counts = Counter(id(node.operation) for _, node in calls)
    planner = _Planner(kernel_size, padding, place, names_of(calls), counts)
    left = None if stem else _stem(calls)
    for graph, node in calls:
        reason = None
        if node.path in exclude or node.operation.name in exclude:
            reason = "excluded"
        elif node.operation is left:
            reason = "the stem (stem=False)"
        planner.add(graph, node, reason)
    return planner.plan


class _Planner:
    def __init__(self, kernel_size, padding, place, names, counts):
        self.kernel_size = kernel_size
        self.padding = padding
        self.place = place
        self.names = names
        self.counts = counts
        self.plan = AntialiasPlan()

    def add(self, graph, node, reason_to_leave):
        layer = node.operation
        found = sampling.downsampling(layer)
        if found:
            reason = reason_to_leave or self._reason_to_leave(node, found)
            if reason:
                self._row(node, found, "left", reason)
            elif (
                found.is_subsampling and found.kind != sampling.CONVOLUTION
            ) or found.kind == sampling.AVERAGE_POOLING:
                self._replace(node, found)
            elif (
                self.place == "kernel"
                and found.kind == sampling.CONVOLUTION
                and not found.is_subsampling
            ):
                self._enlarge(graph, node, found)
            else:
                self._densify(graph, node, found)
        elif sampling.is_blur(layer):
            self._row(node, None, "done", "already anti-aliased")
        elif sampling.hides_downsampling(layer):
            if reason_to_leave:
                self._row(node, None, "left", reason_to_leave)
            else:
                self._row(
                    node,
                    None,
                    "refused",
                    "holds down-sampling layers inside its own `call()`; "
                    "build it as a functional model, which may be nested",
                )
        else:
            reason = sampling.why_it_shrinks(node)
            if reason:
                self._row(node, None, "left", reason)

    def _reason_to_leave(self, node, found):
        average = found.kind == sampling.AVERAGE_POOLING
        if average and self.kernel_size == 1:
            return "kernel_size=1 keeps average poolings"
        if found.kind == sampling.CONVOLUTION or found.is_subsampling:
            return None
        output = sampling.spatial_size(node.outputs[0], found.data_format)
        if not average:
            output = _pixels(_dense_shape(node, found), found.data_format)
        if tuple(output) == (1, 1):
            return "pools the whole map into one pixel"
        return None

    def _replace(self, node, found):
        """Puts a blur on the pooling's own grid in the pooling's place."""
        layer = node.operation
        size = sampling.spatial_size(node.inputs[0], found.data_format)
        taps = tuple(
            _matching_taps(self.kernel_size, window, stride, pixels)
            for window, stride, pixels in zip(
                found.window, found.strides, size, strict=True
            )
        )
        blur = self._blur(layer, found, layer.name, taps, found.window)
        if not self._fits(node, found, blur, size):
            return
        self.plan.layers[id(layer)] = BlurPooling2D, blur
        self._row(
            node, found, "replaced", f"becomes blur {_taps(taps)}", layer.name
        )
        self._cost(node, blur, node.outputs[0].shape)

    def _enlarge(self, graph, node, found):
        """Convolves the kernel with the blur."""
        layer = node.operation
        size = _pixels(_dense_shape(node, found), found.data_format)
        taps = self._blur_size(found, size)
        if self.counts[id(layer)] > 1:
            planned = "it is called several times"
        else:
            planned = plan_kernel_blur(graph, node, found, taps)
        if isinstance(planned, str):
            self._densify(graph, node, found, f" ({planned})")
            return
        # As for mirrored borders: a blur that reads more border than map is
        # none.
        if not all(
            pixels is None
            or blur_grid.reflects(pixels, (count - 1) // 2, count // 2)
            for pixels, count in zip(size, taps, strict=True)
        ):
            self._refuse(node, found, size, taps)
            return
        self.plan.layers[id(layer)] = planned.layer, planned.config
        if planned.border is not None:
            self.plan.skipped.add(planned.border.key)
        larger = planned.layer.from_config(planned.config)
        reason = f"blur {_taps(taps)} in its kernel, {_by(larger.blurred_size)}"
        self._row(node, found, "in kernel", reason, layer.name)
        self.plan.costs[node.key] = None
        if sizes_are_known(node):
            shapes = node.inputs[0].shape, node.outputs[0].shape
            before, after = (
                layer_multiply_adds(each, *shapes) for each in (layer, larger)
            )
            self.plan.costs[node.key] = after - before

    def _blur_size(self, found, size):
        return tuple(
            1 if stride == 1 or pixels == 1 else self.kernel_size
            for stride, pixels in zip(found.strides, size, strict=True)
        )

    def _densify(self, graph, node, found, why=""):
        """Sets strides to 1 and blurs behind the non-linearity."""
        layer = node.operation
        place, non_linear = blur_place(graph, node, found)
        # Nothing bends the map between a 1x1 convolution and a blur, so they
        # may change places: the convolution then runs on the small map. In a
        # kernel, the blur comes before whatever bends it in any case.
        convolution = found.kind == sampling.CONVOLUTION
        blur_first = (
            convolution
            and found.is_subsampling
            and (not non_linear or self.place == "kernel")
        )
        if blur_first:
            dense = node.inputs[0].shape
        else:
            dense = _dense_shape(node, found)
        size = _pixels(dense, found.data_format)
        taps = self._blur_size(found, size)
        # A dense "same" map and the strided one start at different pixels; a
        # dense "valid" map holds the strided one's pixels from the first on.
        window = found.window if found.padding == "same" else (1, 1)
        name = self._new_name(f"{layer.name}_blur")
        blur = self._blur(layer, found, name, taps, window)
        if not self._fits(node, found, blur, size):
            return
        self.plan.layers[id(layer)] = type(layer), _with_strides_1(layer)
        if blur_first:
            self.plan.before[node.key] = blur
            reason = f"blur {_taps(taps)} before it"
            blurred = list(node.outputs[0].shape)
            channel_axis = -1 if found.data_format == "channels_last" else 1
            blurred[channel_axis] = dense[channel_axis]
            self._row(node, found, "blur before", reason, name)
            self._cost(node, blur, blurred)
        else:
            self.plan.after[place.key] = blur
            where = "it" if place is node else place.operation.name
            reason = f"blur {_taps(taps)} after {where}{why}"
            self._row(node, found, "blur after", reason, name)
            self._cost(node, blur, node.outputs[0].shape, dense)

    def _blur(self, layer, found, name, taps, window):
        return {
            "name": name,
            "kernel_size": taps,
            "strides": found.strides,
            "padding": self.padding,
            "window_size": window,
            "window_padding": found.padding if window != (1, 1) else "valid",
            "data_format": found.data_format,
            "dtype": layer.dtype_policy,
        }

    def _fits(self, node, found, blur, size):
        """Whether the map can be reflected; adds a row if not."""
        if self.padding != "reflect" or all(
            pixels is None
            or blur_grid.reflects(
                pixels,
                *blur_grid.blur_padding(
                    pixels, taps, stride, window, blur["window_padding"]
                ),
            )
            for pixels, taps, stride, window in zip(
                size,
                blur["kernel_size"],
                blur["strides"],
                blur["window_size"],
                strict=True,
            )
        ):
            return True
        self._refuse(
            node, found, size, blur["kernel_size"], "use padding='edge', "
        )
        return False

    def _refuse(self, node, found, size, taps, way_on=""):
        self._row(
            node,
            found,
            "refused",
            f"a map of {size[0]}x{size[1]} is too small for {_taps(taps)} "
            f"taps; {way_on}use fewer taps or a larger input",
        )

    def _row(self, node, found, action, reason, blur=None):
        layer = node.operation
        data_format = getattr(layer, "data_format", None)
        kind = type(layer).__name__
        if found:
            for long, short in _SHORT_KINDS.items():
                kind = kind.replace(long, short)
            strides = sorted(set(found.strides), reverse=True)
            steps = "x".join(map(str, strides))
            kind = f"{kind} {_by(found.window)} /{steps}"
        self.plan.rows.append(
            AntialiasRow(
                node.path,
                kind,
                sampling.spatial_size(node.inputs[0], data_format),
                sampling.spatial_size(node.outputs[0], data_format),
                action,
                reason,
                blur,
            )
        )

    def _cost(self, node, blur, blurred_shape, dense_shape=None):
        layer = node.operation
        if not sizes_are_known(node):
            self.plan.costs[node.key] = None
            return
        shapes = node.inputs[0].shape, node.outputs[0].shape
        cost = layer_multiply_adds(BlurPooling2D(**blur), None, blurred_shape)
        if dense_shape and has_multiply_adds(layer):
            cost += layer_multiply_adds(layer, shapes[0], dense_shape)
            cost -= layer_multiply_adds(layer, *shapes)
        self.plan.costs[node.key] = cost

    def _new_name(self, name):
        taken, count = name, 0
        while taken in self.names:
            count += 1
            taken = f"{name}_{count}"
        self.names.add(taken)
        return taken


def _matching_taps(kernel_size, window, stride, pixels):
    """Taps that keep the centre of a pooling window.

    An even number of taps sits between two pixels as an even window does.
    """
    if pixels == 1 or (stride == 1 and window == 1):
        return 1
    if kernel_size % 2 == window % 2:
        return kernel_size
    return kernel_size + (1 if kernel_size < MAX_KERNEL_SIZE else -1)


def _with_strides_1(layer):
    return {**config_of(layer), "strides": (1, 1)}


def _dense_shape(node, found):
    """Shape of the output with strides 1 and everything else kept."""
    shape = list(node.outputs[0].shape)
    first = 1 if found.data_format == "channels_last" else 2
    for axis, window in enumerate(found.window, start=first):
        shape[axis] = node.inputs[0].shape[axis]
        if found.padding == "valid" and shape[axis] is not None:
            shape[axis] -= window - 1
    return tuple(shape)


def _pixels(shape, data_format):
    return shape[1:3] if data_format == "channels_last" else shape[2:4]


def _stem(calls):
    """The down-sampling layer that reads the largest map."""
    largest, stem = -1, None
    for _, node in calls:
        found = sampling.downsampling(node.operation)
        if not found:
            continue
        size = sampling.spatial_size(node.inputs[0], found.data_format)
        # Where sizes are not known the first one reads the largest map.
        area = 0 if None in size else math.prod(size)
        if area > largest:
            largest, stem = area, node.operation
    return stem


def _taps(taps):
    return str(taps[0]) if taps[0] == taps[1] else _by(taps)


def _by(pair):
    return f"{pair[0]}x{pair[1]}"
