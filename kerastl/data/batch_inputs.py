"""The inputs of a batch, alone or in a dict with more fields."""


def images_of(batch):
    """The images of a batch in any of the forms that `fit` takes."""
    if isinstance(batch, (tuple, list)):
        batch = batch[0]
    if isinstance(batch, dict):
        batch = batch["images"]
    return batch


def joined(x, name, value):
    """The inputs of a batch with one more field."""
    x = x if isinstance(x, dict) else {"images": x}
    return {**x, name: value}
