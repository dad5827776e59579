"""A network that is only asked for the gradient of its predictions' loss."""

import keras
from keras import ops


class LossProbe(keras.Model):
    """A network in inference mode whose loss is `-sum_x weight log p(y | x)`.

    The network's own regularizers do not count. Compiled with a
    `GradientSums`, its `train_on_batch` takes integer labels and weights.

    Args:
        network: the network; its weights are not changed.
        kind: what it returns, see `kerastl.surgery.class_outputs`.
    """

    def __init__(self, network, kind):
        super().__init__(name="probe")
        self.network = network
        self.kind = kind

    def call(self, images):
        return self.network(images, training=False)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        y_pred = ops.cast(y_pred, "float32")
        crossentropy = keras.losses.sparse_categorical_crossentropy
        if y_pred.shape[-1] == 1:
            crossentropy = keras.losses.binary_crossentropy
            y = ops.reshape(y, (-1, 1))
        losses = crossentropy(y, y_pred, from_logits=self.kind == "logits")
        loss = ops.sum(losses * ops.cast(sample_weight, losses.dtype))
        # Of several replicas each sees the whole batch.
        return self._aggregate_additional_loss(loss)
