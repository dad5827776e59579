"""Networks of keras.applications with few of the blocks that they repeat."""

import contextlib
import functools

import pytest
from keras.src.applications import densenet
from keras.src.applications import inception_resnet_v2
from keras.src.applications import nasnet
from keras.src.applications import resnet

# Each first of its kind: those that follow have its channels already.
_FIRST_CELLS = ("0", "5", "9")


@contextlib.contextmanager
def few_blocks():
    """The time in which deep families are built of few blocks of each kind.

    Every kind of block stays, and all that lies between them; layers that have
    names of their own keep them. More blocks would compute nothing new, and
    take most of the time to build.

    Yields:
        The numbers of blocks that ResNets asked for, stage by stage.
    """
    asked = []

    def resnet_stage(build, x, filters, blocks, **more):
        asked.append(blocks)
        return build(x, filters, min(blocks, 2), **more)

    def dense_block(build, x, blocks, name):
        return build(x, min(blocks, 2), name)

    def inception_block(build, x, block_idx, activation="relu", **more):
        # The last of them is a kind of its own.
        if block_idx > 1 and activation is not None:
            return x
        return build(x, block_idx=block_idx, activation=activation, **more)

    def cell(build, x, before, filters, block_id):
        if block_id not in _FIRST_CELLS:
            return x, before
        return build(x, before, filters, block_id=block_id)

    with pytest.MonkeyPatch.context() as patch:
        for module, name, shortened in (
            (resnet, "stack_residual_blocks_v1", resnet_stage),
            (densenet, "dense_block", dense_block),
            (inception_resnet_v2, "inception_resnet_block", inception_block),
            (nasnet, "_normal_a_cell", cell),
        ):
            build = getattr(module, name)
            patch.setattr(module, name, functools.partial(shortened, build))
        yield asked
