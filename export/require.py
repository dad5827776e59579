"""Imports an optional package, or says how to get it."""

import importlib


def require(module, package):
    """Returns the imported `module`.

    Args:
        module: Name to import, such as "ai_edge_litert.interpreter".
        package: Name to install, such as "ai-edge-litert".

    Raises:
        ImportError: If it is missing, with the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This step needs the package '{package}', which could not be "
            f"imported ({error}). Install it with: pip install {package}"
        ) from error
