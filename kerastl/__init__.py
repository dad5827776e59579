"""Fine-tune pre-trained Keras CNNs on few images, anti-aliased if wanted.

Importing the package registers every kerastl class with Keras, so that a
saved `.keras` file reloads in a process that has only run `import kerastl`.
`kerastl.export` and `kerastl.apps` are imported on their own, because they
pull in the exporters and the command line.
"""

from kerastl.version import __version__

__all__ = [
    "__version__",
]
