"""Loads a file in a process of its own and says what that took.

Run as a script, and importing only the runtime: `kerastl` itself would load
Keras and its backend, and hide what a .tflite file needs.

    python load_once.py FILE THREADS
"""

import json
import pathlib
import sys
import time


def main(path, threads):
    ready = _LOADERS[pathlib.Path(path).suffix]
    load = ready()
    baseline = _memory("VmRSS")
    _forget_peak()
    start = time.perf_counter()
    run = load(path, threads)
    loaded = time.perf_counter()
    run()
    finished = time.perf_counter()
    peak = _memory("VmHWM")
    print(
        json.dumps(
            {
                "load_ms": 1000 * (loaded - start),
                "first_ms": 1000 * (finished - loaded),
                "baseline_bytes": baseline,
                "peak_bytes": peak,
            }
        ),
        flush=True,
    )
    if path.endswith(".tflite"):
        _run_without_delegate(path)


def _litert():
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    def load(path, threads):
        interpreter = Interpreter(path, num_threads=threads)
        interpreter.allocate_tensors()
        [details] = interpreter.get_input_details()
        image = np.zeros(details["shape"], details["dtype"])
        interpreter.set_tensor(details["index"], image)
        return interpreter.invoke

    return load


def _run_without_delegate(path):
    """Runs a file in the kernels that a diagnosis runs it in."""
    import numpy as np
    from ai_edge_litert import interpreter as litert

    kinds = litert.OpResolverType
    interpreter = litert.Interpreter(
        path,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    [details] = interpreter.get_input_details()
    image = np.zeros(details["shape"], details["dtype"])
    interpreter.set_tensor(details["index"], image)
    interpreter.invoke()


def _onnx_runtime():
    import numpy as np
    import onnxruntime

    def load(path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        [details] = session.get_inputs()
        shape = [size if isinstance(size, int) else 1 for size in details.shape]
        feed = {details.name: np.zeros(shape, "float32")}
        return lambda: session.run(None, feed)

    return load


def _keras():
    import numpy as np

    # Keras knows the layers of kerastl once it is imported.
    from kerastl.export.keras_files.load_keras_file import load_keras_file

    def load(path, threads):
        model = load_keras_file(path)
        image = np.zeros((1, *model.inputs[0].shape[1:]), "float32")
        return lambda: model(image, training=False)

    return load


_LOADERS = {
    ".tflite": _litert,
    ".onnx": _onnx_runtime,
    ".keras": _keras,
    ".h5": _keras,
}


def _memory(key):
    """Returns a figure of this process in bytes, `None` if not on Linux."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith(f"{key}:"):
                    return 1024 * int(line.split()[1])
    except OSError:
        return None


def _forget_peak():
    # Importing may have taken more for a moment than the file ever does.
    try:
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")
    except OSError:
        pass


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
