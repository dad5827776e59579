"""A model as one flat graph, for the converters."""

import keras

from kerastl.export.conversion.own_scales import give_own_biases
from kerastl.export.conversion.own_scales import give_own_scales

_COMPILED = "_XlaMustCompile"
# Names the gradient of what a swish computes, which has tensors of its own that
# are in no file.
_GRADIENT = "_gradient_op_type"


def freeze_graph(model, signature, own_scales=False, own_biases=False):
    """Returns a model of the same outputs that is one flat graph.

    Two things do not survive the way from TensorFlow to ONNX otherwise.
    Tensors that a layer holds outside its variables, as `Normalization` does,
    become inputs of the file. And calls of functions that have to be compiled
    by XLA stay calls, which no other runtime knows: Keras makes them for
    grouped convolutions, because TensorFlow itself cannot run these on a CPU.
    On the way to TFLite the same file comes out in half the time: the exporter
    saves and reads back every variable of a model that has some.
    Scopes keep their names.

    Args:
        model: Functional model.
        signature: The `keras.InputSpec` of its input.
        own_scales: Whether TensorFlow's quantizer is to read it, see
            `give_own_scales`.
        own_biases: Whether it rounds activations to 16 bits, see
            `give_own_biases`.

    Returns:
        A Keras model without variables. It can be exported, not run.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    image = tf.TensorSpec(signature.shape, signature.dtype, signature.name)
    function = tf.function(
        lambda image: model(image, training=False), autograph=False
    ).get_concrete_function(image)
    held = {
        inner.name: value.numpy()
        for value, inner in zip(
            function.captured_inputs,
            function.graph.internal_captures,
            strict=True,
        )
        if value.dtype != tf.resource
    }
    frozen = convert_variables_to_constants_v2(
        function, lower_control_flow=False, aggressive_inlining=True
    )
    definition = _plain(frozen.graph.as_graph_def())
    if own_scales:
        give_own_scales(definition, [each.name for each in frozen.outputs])
    if own_biases:
        give_own_biases(definition)
    return _FrozenGraph(
        definition,
        [tensor.name for tensor in frozen.inputs],
        {
            name: tensor.name
            for name, tensor in zip(
                sorted(function.structured_outputs),
                frozen.outputs,
                strict=True,
            )
        },
        held,
    )


def _plain(definition):
    """Lets the functions of a `GraphDef` be taken for what they compute."""
    functions = definition.library.function
    nodes = [*definition.node]
    for function in functions:
        function.attr.pop(_COMPILED, None)
        nodes += function.node_def
    for node in nodes:
        node.attr.pop(_COMPILED, None)
        node.attr.pop(_GRADIENT, None)
    return definition


class _FrozenGraph(keras.Model):
    def __init__(self, definition, inputs, outputs, held):
        # Whatever the policy: another would cast the images.
        super().__init__(name="frozen", dtype="float32")
        self._definition = definition
        self._inputs_of_graph = inputs
        self._outputs_of_graph = outputs
        self._held = held
        self.built = True

    @property
    def has_functions(self):
        """Whether it calls functions, which stay calls in a TFLite file."""
        return bool(self._definition.library.function)

    @property
    def lists(self):
        """Names of what makes lists of tensors, as a loop over time does."""
        return [
            node.name
            for node in self._definition.node
            if node.op.startswith("TensorList")
        ]

    def call(self, image):
        import tensorflow as tf

        tensors = tf.graph_util.import_graph_def(
            self._definition,
            input_map={
                name: tf.constant(self._held[name])
                if name in self._held
                else image
                for name in self._inputs_of_graph
            },
            return_elements=[*self._outputs_of_graph.values()],
            name="",
        )
        return dict(zip(self._outputs_of_graph, tensors, strict=True))
