"""What pruning and clustering did to the weights of a model."""

from kerastl.export.measure_compression import measure_compression


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
