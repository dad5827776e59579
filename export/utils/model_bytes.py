"""From the objects of a .tflite file's schema to its bytes."""

from kerastl.export.utils.third_party import require

# What schema.fbs asks for where bytes hold numbers.
_ALIGNMENT = 16


def model_bytes(model, size=1024):
    """Returns the bytes of a .tflite graph.

    Args:
        model: `ModelT` of the runtime's `schema_py_generated`.
        size: About how many bytes it takes.
    """
    flatbuffers = require("flatbuffers", "flatbuffers")

    class Builder(flatbuffers.Builder):
        """Puts bytes where `force_align` wants them; Python's own does not.

        Microcontrollers read the weights where they lie.
        """

        def StartVector(self, elemSize, numElems, alignment):
            if elemSize == 1:
                alignment = _ALIGNMENT
            return super().StartVector(elemSize, numElems, alignment)

    builder = Builder(size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
