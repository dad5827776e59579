import keras

from kerastl.losses.feature_distance import FeatureDistance


@keras.saving.register_keras_serializable(package="kerastl")
class PixelLevel(FeatureDistance):
    """Pixel-level loss of KTFT: keep the source's features in detail.

    The sum over the taps of the mean squared difference between the
    student's and the source's feature maps, mean over batch, channels and
    space:

        sum_l  1 / (B C_l H_l W_l) * || F_student^l - F_source^l ||^2

    The formula is assumed: no source shows the paper's own. "Pixel-level"
    and "detailed knowledge" read as an element-wise distance of the maps,
    which also asks for the aliased detail that the blur removed;
    `GlobalLevel` holds against it.

    Args:
        weight: Factor of the term in the total loss. No published value is
            known; start at 1 and search 0.1, 1, 10.
        taps: Names of the taps to compare; `None` takes all of the tuner's.
        tap_weights: Factor of each tap, a dict by name or a list in the
            order of `taps`.
        paper_scaling: `True` sums over channels and space and takes the
            mean over the batch only, for weights published for sums: each
            tap then counts `C_l H_l W_l` times as much.
        relative: `True` divides each tap's distance by the mean square of
            the source's features there: the term is then a sum of relative
            errors. Taps with large values do not drown the others, and the
            same weight means the same in every architecture. Beyond a share
            of 10 a tap's distance grows with the logarithm only, so that
            steps that are too long do not explode; a tap at which the source
            gives only zeros counts 0.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If both kinds of scaling are asked for.

    Example:

    ```python
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(1.0)],
    )
    ```

    Reference:
        Suzuki et al., "Knowledge Transferred Fine-Tuning for Anti-Aliased
        Convolutional Neural Network in Data-Limited Situation", ICIP 2021;
        extended in IEEE Access 10, 2022.
    """
