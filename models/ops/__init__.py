"""The operations that a network is made of, one a file; op.py says what each tells of itself."""

from bitfold.models.ops.add import Add
from bitfold.models.ops.argmax import ArgMax
from bitfold.models.ops.concatenate import Concatenate
from bitfold.models.ops.conv2d import Conv2d
from bitfold.models.ops.dense import Dense
from bitfold.models.ops.flatten import Flatten
from bitfold.models.ops.op import Op
from bitfold.models.ops.pooling import MaxPool, SumPool
from bitfold.models.ops.softmax import Softmax
from bitfold.models.ops.threshold import Threshold

OPS: dict[str, type[Op]] = {
    op.__name__: op
    for op in (
        *(Add, ArgMax, Concatenate, Conv2d, Dense, Flatten, MaxPool, Softmax, SumPool, Threshold),
    )
}
"""Every operation, by the name that files have for it."""
