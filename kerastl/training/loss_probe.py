"""A network that is only asked for the gradient of its predictions' loss."""

import keras
from keras import ops


class LossProbe(keras.Model):
    """A network in inference mode whose loss is `-sum_x weight log p(y | x)`.

    The network's own regularizers do not count. Compiled with a
    `GradientSums`, its `train_on_batch` takes integer labels and weights.

    Args:
        network: the network; its weights are not changed.
        from_logits: whether it returns logits.
    """

    def __init__(self, network, from_logits):
        super().__init__(name="probe")
        self.network = network
        self.from_logits = from_logits

    def call(self, images):
        return self.network(images, training=False)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        losses = keras.losses.sparse_categorical_crossentropy(
            y, ops.cast(y_pred, "float32"), from_logits=self.from_logits
        )
        loss = ops.sum(losses * ops.cast(sample_weight, losses.dtype))
        # Of several replicas each sees the whole batch.
        return self._aggregate_additional_loss(loss)
