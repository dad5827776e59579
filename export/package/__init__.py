"""What goes with a file to the device: labels, figures, source code."""

from kerastl.export.package.metadata import read_metadata
from kerastl.export.package.metadata import write_metadata
from kerastl.export.package.write_c_array import write_c_array
from kerastl.export.package.write_esp_project import write_esp_project

__all__ = [
    "read_metadata",
    "write_c_array",
    "write_esp_project",
    "write_metadata",
]
