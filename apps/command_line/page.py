"""The verb `kerastl page`."""

import contextlib
import json
import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Debug
from kerastl_command_line.support import Json
from kerastl_command_line.support import Overwrite
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors


def page(
    model: Annotated[pathlib.Path, typer.Argument(help="An .onnx file.")],
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="FILE",
            help="Default: try.html beside the model; with --serve none.",
        ),
    ] = None,
    runtime: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The npm package onnxruntime-web, unpacked or installed. "
            "Default: fetched by npm, once (33 MB).",
        ),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Serve the page until Ctrl-C."),
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="To serve at; 0.0.0.0 lets phones in the same network in.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=65535, help="To serve at; 0 takes any."
        ),
    ] = 8000,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
):
    """Make a page that tries a model out with camera and photos.

    One HTML file of 5 MB and the model, which needs no server and sends
    nothing. Its answers are those of kerastl predict. Browsers open the camera
    for https and localhost alone: on this machine with --serve; a phone that
    --host lets in may choose and take photos.

        kerastl page model_int8.onnx
        kerastl page model_int8.onnx --serve
        kerastl page model_int8.onnx --serve --host 0.0.0.0
    """
    with report_errors(debug), open_console(as_json, model) as console:
        from kerastl.apps.page.serve_page import make_server
        from kerastl.apps.page.write_page import make_page
        from kerastl.apps.page.write_page import write_page
        from kerastl.apps.texts import say

        def tell(**said):
            if as_json:
                typer.echo(json.dumps(said))
            else:
                say(console, "\n".join(said.values()), wrap=False)

        if serve and output is None:
            content = make_page(model, runtime)
        else:
            written = write_page(model, output, runtime, overwrite)
            content = written.read_bytes()
            tell(page=str(written))
        if serve:
            server, address = make_server(content, host, port)
            tell(address=address)
            with server, contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()
