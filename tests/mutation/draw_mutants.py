"""Changes of a source text, drawn by chance."""

import ast
import dataclasses
import random


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change of a file.

    Args:
        line: Line of the change, from 1.
        operator: Name of the operator that made it.
        before: The line as it is.
        after: What stands there instead, empty where the line is gone.
        source: The whole changed source.
    """

    line: int
    operator: str
    before: str
    after: str
    source: str


def draw_mutants(source, count, seed):
    """Draws changes of a source text, at most one at a place.

    Annotations, docstrings and imports compute nothing, and are left alone.

    Args:
        source: The text of a module.
        count: How many places to draw; `None` takes all.
        seed: Seed of the draws.

    Returns:
        List of `Mutant`s in the order of their lines, and how many places
        there are.
    """
    places = {}
    skipped = _spans_without_effect(source)
    for name, operator, occurrence, start, stop in _mutations(source):
        if not any(low <= start and stop <= high for low, high in skipped):
            places.setdefault((start, stop), []).append(
                (name, operator, occurrence)
            )
    generator = random.Random(seed)
    order = sorted(places)
    generator.shuffle(order)
    found = []
    for place in order:
        if len(found) == count:
            break
        choices = places[place]
        generator.shuffle(choices)
        for name, operator, occurrence in choices:
            mutant = _mutant(source, name, operator, occurrence, place[0][0])
            if mutant is not None:
                found.append(mutant)
                break
    return sorted(found, key=lambda mutant: mutant.line), len(places)


def _mutations(source):
    from cosmic_ray.ast import ast_nodes
    from cosmic_ray.ast import get_ast
    from cosmic_ray.plugins import get_operator
    from cosmic_ray.plugins import operator_names

    tree = get_ast(source)
    for name in sorted(operator_names()):
        kind = get_operator(name)
        if name.endswith("NoOp") or kind.arguments():
            continue
        operator = kind()
        positions = (
            position
            for node in ast_nodes(tree)
            for position in operator.mutation_positions(node)
        )
        for occurrence, (start, stop) in enumerate(positions):
            yield name, operator, occurrence, tuple(start), tuple(stop)


def _mutant(source, name, operator, occurrence, line):
    from cosmic_ray.mutating import mutate_code

    try:
        changed = mutate_code(source, operator, occurrence)
    except AttributeError:
        # cosmic-ray replaces plain names only, not `module.Error`.
        return None
    if changed is None or changed == source:
        return None
    try:
        if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
            return None
    except SyntaxError:
        return None
    before, after = source.splitlines(), changed.splitlines()
    # A place of several lines may begin with one that stays.
    while line < min(len(before), len(after)) and (
        before[line - 1] == after[line - 1]
    ):
        line += 1
    return Mutant(
        line,
        name.removeprefix("core/"),
        before[line - 1].strip(),
        # A decorator is taken away with its line.
        after[line - 1].strip() if len(after) == len(before) else "",
        changed,
    )


def _spans_without_effect(source):
    spans = []
    for node in ast.walk(ast.parse(source)):
        parts = [
            getattr(node, name, None)
            for name in ("annotation", "returns")
            if isinstance(getattr(node, name, None), ast.expr)
        ]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            parts.append(node)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.append(node)
        spans += [
            (
                (part.lineno, part.col_offset),
                (part.end_lineno, part.end_col_offset),
            )
            for part in parts
        ]
    return spans
