"""Says which operators have to be float to spare a layer its error."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class FloatCandidate:
    """A layer that may be kept in float.

    Attributes:
        layer: Its name.
        names: Its name and those of the layers merged into it.
        operators: Names of the tensors that its operators write.
        and_readers: The same with the operators that read its output.
        cause: What most of its error is, as in `LayerError`.
    """

    layer: str
    names: tuple
    operators: frozenset
    and_readers: frozenset
    cause: str

    @property
    def needed(self):
        """What has to be float for the layer to have no error.

        Rounded weights are spared by a float operator. A rounded output is
        not: it would be rounded all the same for the operators that read it,
        unless they are float too.
        """
        return self.operators if self.cause == "weights" else self.and_readers


def float_candidates(examination):
    """Returns a `FloatCandidate` for each layer, the worst first.

    Args:
        examination: `Examination` of the file in which nothing is float.
    """
    tensors = {each.key: each for each in examination.file.tensors}
    matched = {each.tensor.key for each in examination.matches.values()}
    steps, readers = {}, {}
    for match in examination.matches.values():
        step, todo = set(), [match.tensor.key]
        while todo:
            key = todo.pop()
            step.add(key)
            for parent in tensors[key].parents:
                readers.setdefault(parent, set()).add(key)
                if parent in tensors and parent not in matched | step:
                    todo.append(parent)
        steps[match.tensor.key] = step
    found = []
    for place, row in examination.rows.items():
        key = examination.matches[place].tensor.key
        step = steps[key]
        wider = step | readers.get(key, set())
        found.append(
            FloatCandidate(
                layer=row.layer,
                names=(row.layer, *row.merged),
                operators=frozenset(tensors[each].name for each in step),
                and_readers=frozenset(tensors[each].name for each in wider),
                cause=row.cause,
            )
        )
    return found
