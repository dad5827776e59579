"""A preset as a function, called as its sibling of `keras.applications`."""

import inspect


def family(name, preset):
    """Makes the function that builds a preset's network.

    It takes the arguments of the builder in `keras.applications`, in the same
    order and with the same defaults. Only what is passed is asked for: a
    network has its classifier unless its weights come without one, and as
    many classes as they have.

    Args:
        name: Name of the function.
        preset: The `Preset`.

    Returns:
        A function that returns a Functional model, see `Preset.build`.

    Example:

    ```python
    MobileNetV2 = family("MobileNetV2", PRESETS["mobilenet_v2"])
    model = MobileNetV2(alpha=0.35, weights=None)
    ```
    """
    signature = inspect.signature(preset.builder)

    def build(*args, **kwargs):
        positional = signature.bind_partial(*args).arguments
        twice = sorted(positional.keys() & kwargs.keys())
        if twice:
            raise TypeError(f"{name}() got two values for {', '.join(twice)}")
        return preset.build(**positional, **kwargs)

    build.__name__ = build.__qualname__ = name
    build.__signature__ = signature
    build.__doc__ = (
        f"Builds {preset.title} for RGB images with values 0 to 255.\n\n"
        "The preprocessing of its weights is part of the network. The "
        "arguments are\nthose of `keras.applications`; `weights` is also the "
        "path of a file, or a model.\nSee `kerastl.apps.Preset.build`."
    )
    return build
