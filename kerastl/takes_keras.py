"""Whether this process imports Keras with kerastl.

`import kerastl` registers every class with Keras, so it takes Keras along, and
Keras takes TensorFlow. The verbs of the command line that only run a finished
file need neither: they import `kerastl_command_line.without_keras` first, and
from kerastl the modules that they use, each by its own name. The packages
around those modules stay empty then.
"""

import sys

# Said once for the whole process, and where Keras is there already, to leave
# it out saves nothing.
TAKES_KERAS = (
    sys.modules.get("keras") is not None
    or "kerastl_command_line.without_keras" not in sys.modules
)
