"""What a result shows in a notebook or by `print`."""

import io

_WIDTH = 80


class Printable:
    """A result that has `print(console)`: `str` of it is what that prints."""

    def __str__(self):
        import rich.console

        text = io.StringIO()
        self.print(rich.console.Console(file=text, width=_WIDTH))
        return text.getvalue().rstrip("\n")
