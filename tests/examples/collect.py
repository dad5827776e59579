"""The examples that stand in docstrings."""

import ast
import dataclasses
import doctest
import importlib
import pathlib
import re
import textwrap

ROOT = pathlib.Path(__file__).parents[2]
FOLDERS = {"kerastl": "kerastl", "export": "kerastl.export"}
FOLDERS |= {"apps": "kerastl.apps"}
_FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)
_SAID = re.compile(r"^(.+?)  # (.+)$")


@dataclasses.dataclass(frozen=True)
class Example:
    """One example, and what stands around it.

    Args:
        name: Where it is: the file, and what the docstring is of.
        module: Name of the module.
        steps: Pairs of source and what it must print or be worth: a text that
            was printed, a `Value`, or `None` for anything.
    """

    name: str
    module: str
    steps: tuple

    @property
    def code(self):
        return "".join(source for source, _ in self.steps)

    @property
    def texts(self):
        """All texts in the code, such as names of files."""
        return {
            node.value
            for node in ast.walk(ast.parse(self.code))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }

    @property
    def wanted(self):
        """Names that the code reads and does not make."""
        nodes = list(ast.walk(ast.parse(self.code)))
        return {
            node.id
            for node in nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }


@dataclasses.dataclass(frozen=True)
class Value:
    """What a comment says that the expression before it is worth."""

    value: object


def examples():
    """All of them, in the order of their files."""
    found = []
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            module = ".".join((package, *inner)).removesuffix(".__init__")
            if inner[0] == "command_line":
                module = ".".join(("kerastl_command_line", *inner[1:]))
            for name, text in _docstrings(ast.parse(path.read_text())):
                label = f"{'/'.join((folder, *inner))}:{name}"
                for number, steps in enumerate(_read(text), 1):
                    last = f":{number}" if number > 1 else ""
                    found.append(Example(label + last, module, steps))
    return found


def _docstrings(tree):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(tree):
        text = isinstance(node, kinds) and ast.get_docstring(node)
        if text:
            yield getattr(node, "name", "module"), text


def _read(text):
    typed = doctest.DocTestParser().get_examples(text)
    if typed:
        yield tuple((each.source, each.want or None) for each in typed)
    for code in _FENCE.findall(text):
        yield tuple(_statements(textwrap.dedent(code)))


def _statements(code):
    """The statements of a fence, with what a comment behind one says."""
    lines = code.splitlines()
    for node in ast.parse(code).body:
        source = "\n".join(lines[node.lineno - 1 : node.end_lineno]) + "\n"
        said = None
        if isinstance(node, ast.Expr) and node.lineno == node.end_lineno:
            said = _SAID.match(lines[node.lineno - 1])
        yield source, said and _literal(said[2])


def _literal(text):
    try:
        return Value(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return None


def names_of(example):
    """The names that the module of an example has."""
    return vars(importlib.import_module(example.module))
