"""The size of photos that a model takes."""


def square_side(runner, model_path):
    """Returns the height and width of the square RGB images of a model.

    Args:
        runner: `kerastl.export.Runner` of the model.
        model_path: Its file, for the message.

    Raises:
        ValueError: If it takes other images.
    """
    height, width, channels = runner.input_shape
    if height != width or channels != 3 or not isinstance(height, int):
        raise ValueError(
            "Photos can be given to models that take square RGB images of a "
            f"fixed size only. Received: model={str(model_path)!r} with input "
            f"shape {runner.input_shape}"
        )
    return height
