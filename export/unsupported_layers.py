"""Names the layers whose operators a converter does not have."""

import re

from kerastl.surgery import graph


def unsupported_layers(model, error, operators):
    """Returns the names of the layers that a converter complains of.

    Args:
        model: Functional model that was converted.
        error: The exception; its text and notes hold the scopes in which the
            operators were made.
        operators: Names of the operators that the converter does not have.

    Returns:
        List of names, prefixed with the nested models that hold the layers,
        in the order in which they run. Empty where nothing is said.
    """
    text = "\n".join([str(error), *getattr(error, "__notes__", [])])
    scopes = {
        scope
        for operator, scope in re.findall(r'fused\["(\w+):", "([^"@]+)@', text)
        if operator in operators
    }
    return layers_of_scopes(model, scopes)


def layers_of_scopes(model, scopes):
    """Returns the names of the layers in whose scopes something was made.

    Args:
        model: Functional model that was converted.
        scopes: Names with scopes: `net_1/backbone_1/conv_2/Conv`.

    Returns:
        List as `unsupported_layers` gives it.
    """
    return [
        path
        for path in dict.fromkeys(node.path for _, node in graph.walk(model))
        if any(_is_inside(scope, path) for scope in scopes)
    ]


def _is_inside(scope, path):
    """Whether a scope was made by the layer: `net_1/backbone_1/conv_2/Conv`.

    Scopes that were taken already got a number.
    """
    parts = "/".join(rf"{re.escape(part)}(_\d+)?" for part in path.split("/"))
    return re.search(rf"(^|/){parts}/", scope) is not None
