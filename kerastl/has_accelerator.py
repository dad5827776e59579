"""What the machine computes on."""

import keras


def has_accelerator() -> bool:
    """Whether Keras sees anything but CPUs."""
    return any(
        not device.startswith("cpu")
        for device in keras.distribution.list_devices()
    )
