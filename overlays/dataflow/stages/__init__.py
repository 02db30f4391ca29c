"""The kinds of stages of a dataflow overlay, one a file beside its RTL module."""

from bitfold.overlays.dataflow.stages.add import AddStage
from bitfold.overlays.dataflow.stages.argmax import ArgMaxStage
from bitfold.overlays.dataflow.stages.concatenate import ConcatenateStage
from bitfold.overlays.dataflow.stages.convolution import ConvolutionStage
from bitfold.overlays.dataflow.stages.mvau import MatrixStage
from bitfold.overlays.dataflow.stages.pooling import PoolingStage
from bitfold.overlays.dataflow.stages.softmax import SoftmaxStage
from bitfold.overlays.dataflow.stages.stage import Stage
from bitfold.overlays.dataflow.stages.threshold import ThresholdStage
from bitfold.overlays.dataflow.stages.unrolled import UnrolledStage

STAGES: dict[str, type[Stage]] = {
    stage.module: stage
    for stage in (
        AddStage,
        ArgMaxStage,
        ConcatenateStage,
        ConvolutionStage,
        MatrixStage,
        PoolingStage,
        SoftmaxStage,
        ThresholdStage,
        UnrolledStage,
    )
}
"""Every kind of stage, by its RTL module."""
