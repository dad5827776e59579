"""Fixtures that every test may use."""

import contextlib
import functools
import gc
import os
import pathlib
import platform
import subprocess
import sys
import textwrap
import typing

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# oneDNN keeps what it prepared for a network, two gigabytes by the end.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
# What a test compiles runs a few times: to make it fast takes twice as long.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 "
    "--xla_llvm_disable_expensive_passes=true",
)
# Several processes share the cores, and threads of a product of small matrices
# wait for each other longer than it takes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import keras
import pytest

from kerastl.apps.runs.train_network import forget_gradients
from kerastl.export.utils.release_memory import release_memory

from .forked_interpreter import ForkedInterpreter

# Tracing makes millions of objects, and looking through them as often as
# Python does by itself takes an eighth of the tests' time.
gc.freeze()
gc.set_threshold(50_000, 20, 20)

tensorflow_backend = keras.backend.backend() == "tensorflow"
if tensorflow_backend:
    import tensorflow as tf

    # For the same reason: a sixth of the time goes to making graphs faster.
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": True}
    )
    # A ninth goes to noting for each operation of a graph where it was made,
    # sixty calls deep: TensorFlow would say so of one that fails.
    with contextlib.suppress(ImportError, AttributeError):
        from tensorflow.python.util import tf_stack

        made_here = tf_stack.extract_stack()
        tf_stack.extract_stack = lambda stacklevel=1: made_here


def _keep_kernels():
    """Makes TensorFlow keep the kernels of its eager operations.

    A seed makes it forget them, and so does the end of a session, twice in
    every test: to make them anew is a third of what a small network costs. No
    kernel that is used here has a state that a seed would have to set back.

    Returns:
        What makes it forget them nevertheless.
    """
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.eager import context

    forget = pywrap_tfe.TFE_ContextClearCaches
    pywrap_tfe.TFE_ContextClearCaches = lambda handle: None

    def forget_kernels():
        handle = context.context()._context_handle
        # There is none before the first operation.
        if handle is not None:
            forget(handle)

    return forget_kernels


_forget_kernels = None
if tensorflow_backend:
    with contextlib.suppress(ImportError, AttributeError):
        _forget_kernels = _keep_kernels()

if sys.version_info < (3, 12):
    # Keras and TensorFlow ask whether values follow protocols; Python 3.12
    # looks once what a protocol has, and not for every value.
    with contextlib.suppress(AttributeError):
        typing._get_protocol_attrs = functools.cache(typing._get_protocol_attrs)


def clips_products():
    """Whether onnxruntime clips int8 products on this processor.

    On x86 without VNNI it adds pairs of products in 16 bits: an int8 file
    answers otherwise there than its own DequantizeLinear and Conv say.
    """
    flags = pathlib.Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not flags.exists():
        return False
    return "vnni" not in flags.read_text()


def pytest_collection_modifyitems(items):
    # What takes long begins first: at the end all wait for the last file. And
    # before it what forks this process, which grows.
    forking, slow = (
        {item.path for item in items if marker in item.keywords}
        for marker in ("forks", "slow")
    )
    items.sort(
        key=lambda item: (item.path not in forking, item.path not in slow)
    )
    if clips_products():
        reason = "onnxruntime clips int8 products on this processor"
        for item in items:
            if "exact_onnx_int8" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))
    if tensorflow_backend:
        return
    skip = pytest.mark.skip(reason="needs the TensorFlow backend")
    for item in items:
        if "tensorflow_only" in item.keywords:
            item.add_marker(skip)


# Of what a file has when it begins, before it is looked what nobody needs.
_MOST_GROWTH = 400 * 2**20


def _resident():
    """Bytes that this process holds; 0 where the system does not say."""
    try:
        pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class _Memory:
    """What this process may hold before it looks for what is free."""

    most = 0

    @classmethod
    def free(cls):
        """Gives back what nobody needs.

        Graphs are full of cycles, which wait for the garbage collector, and
        what is free goes back to the system only on request.
        """
        if _forget_kernels is not None:
            _forget_kernels()
        keras.utils.clear_session(free_memory=True)
        release_memory()
        cls.most = _resident() + _MOST_GROWTH


@pytest.fixture(autouse=True)
def _fresh_keras_state():
    """Every test starts from the same seed and leaves no names behind."""
    keras.utils.set_random_seed(1234)
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)
    if _resident() > _Memory.most:
        _Memory.free()


@pytest.fixture(autouse=True, scope="module")
def _free_memory():
    """What the models of a file took is free before the next one begins.

    What is left is there to stay: the TFLite converter asks for a full
    collection for each file, which would look through all of it.
    """
    gc.collect()
    gc.freeze()
    yield
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
    forget_gradients()
    _Memory.free()


@pytest.fixture
def run_in_new_interpreter():
    """Runs Python source in a new interpreter and returns its stdout.

    In which nothing at all is imported yet.
    """

    def run(source, *arguments):
        finished = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(source), *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        return finished.returncode, finished.stdout, finished.stderr

    return _checked(run)


@pytest.fixture(scope="session")
def _interpreter():
    """The process that forks fresh ones; where there is none, `None`."""
    if not (tensorflow_backend and hasattr(os, "fork")):
        return None
    return ForkedInterpreter()


@pytest.fixture
def run_in_fresh_process(_interpreter, run_in_new_interpreter):
    """Runs Python source in a fresh process and returns its stdout.

    The proof of serialization: only what is on disk and what the source
    imports can be there, and TensorFlow and Keras.
    """
    if _interpreter is None or not _interpreter.fits():
        return run_in_new_interpreter
    return _checked(_interpreter.run)


def _checked(run):
    def checked(source, *arguments):
        code, output, errors = run(
            textwrap.dedent(source), *map(str, arguments)
        )
        if code != 0:
            raise AssertionError(errors)
        return output.strip()

    return checked


@pytest.fixture
def run_on_two_replicas(run_in_fresh_process):
    """The same, with two virtual devices and a `strategy` that mirrors them.

    In a process of its own, because the devices are made before TensorFlow
    starts.
    """
    before = textwrap.dedent(
        """
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        assert strategy.num_replicas_in_sync == 2
        """
    )

    def run(source, *arguments):
        return run_in_fresh_process(
            before + textwrap.dedent(source), *arguments
        )

    return run
