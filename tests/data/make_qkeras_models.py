"""Makes the QKeras models of tests/data: trained on iris, exported by qonnx's own converter.

    python3.11 -m venv qkeras
    qkeras/bin/pip install -r tests/data/qkeras-requirements.txt
    qkeras/bin/python tests/data/make_qkeras_models.py

Beside each .onnx file stands an .npz: `x`, the 150 flowers and random rows, and `y`, what Keras
itself makes of them. TensorFlow and QKeras can't live in bitfold's own environment.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from qkeras import QActivation, QDense, binary, quantized_bits, quantized_relu, ternary
from qonnx.converters import from_keras
from sklearn.datasets import load_iris
from tensorflow.keras.layers import Activation, BatchNormalization, Input

FOLDER = Path(__file__).parent
EPOCHS = 300


def six_bits():
    """4-64-32-32-3 as hls4ml's tutorials write it: 6 bits all through."""
    layers = [QActivation(quantized_relu(8, 3), name="input_quantizer")]
    for i, units in enumerate((64, 32, 32)):
        layers += [_dense(f"fc{i}", units), QActivation(quantized_relu(6), name=f"relu{i}")]
    return [*layers, _dense("scores", 3), Activation("softmax", name="softmax")]


def few_bits():
    """All other quantizers that the converter knows: binary and ternary weights, binary
    activations (inside a QDense: in a QActivation the converter loses them), batch normalization.
    """
    return [
        QActivation(quantized_relu(8, 3), name="input_quantizer"),
        QDense(32, kernel_quantizer=binary(alpha=1), use_bias=False, name="fc0"),
        BatchNormalization(momentum=0.9, name="norm0"),
        QActivation(quantized_relu(3, 2), name="relu0"),
        QDense(
            16,
            kernel_quantizer=ternary(alpha=1, threshold=0.5),
            bias_quantizer=quantized_bits(6, 4, alpha=1),
            activation=binary(alpha=1),
            name="fc1",
        ),
        QDense(3, kernel_quantizer=quantized_bits(4, 0, alpha=1), use_bias=False, name="scores"),
    ]


def lost_input():
    """Its first quantizer is a linear one, which the converter loses without a word."""
    return [
        QActivation(quantized_bits(8, 3, keep_negative=False, alpha=1), name="input_quantizer"),
        _dense("fc0", 8),
        QActivation(quantized_relu(6, 2), name="relu0"),
        _dense("scores", 3),
    ]


def _dense(name, units):
    six = quantized_bits(6, 0, alpha=1)
    return QDense(units, kernel_quantizer=six, bias_quantizer=six, name=name)


def main():
    iris = load_iris()
    flowers = iris.data.astype(np.float32)
    random = np.random.default_rng(0).uniform(0, 8, (100, 4)).astype(np.float32)
    # Steps of 1/32 cm, as the input quantizers have: no row lies on a tie.
    x = np.concatenate([flowers, np.floor(random * 32) / 32])
    for layers in (six_bits, few_bits, lost_input):
        tf.keras.utils.set_random_seed(0)
        model = tf.keras.Sequential([Input((4,)), *layers()])
        model.compile(tf.keras.optimizers.Adam(0.01), _loss(model))
        model.fit(flowers, iris.target, batch_size=len(flowers), epochs=EPOCHS, verbose=0)
        y = model.predict(x, verbose=0)
        right = (y[: len(flowers)].argmax(axis=1) == iris.target).mean()
        stem = FOLDER / f"qkeras_{layers.__name__}"
        from_keras(model, stem.name, opset=13, output_path=str(stem.with_suffix(".onnx")))
        np.savez_compressed(stem.with_suffix(".npz"), x=x, y=y)
        print(f"{stem.name}: {right:.1%} of the flowers it was trained on")


def _loss(model):
    softmax = isinstance(model.layers[-1], Activation)
    return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=not softmax)


if __name__ == "__main__":
    main()
