#!/usr/bin/env bash
# TensorFlow 2.20.0 on the CPU: in a tf.function, MatMul + BiasAdd + Relu are fused, and the fused kernel turns NaN into 0.
#
# Guess: relu(NaN) is NaN, as it is for the same three operations run eagerly or compiled by XLA, and for a Relu alone in a
# tf.function. Seen: a Keras layer Dense(activation="relu") whose weights are all NaN predicts 0.5 (NaN with run_eagerly=True).
# The loss of such a model stays finite in `fit`: only its weights and gradients tell.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet tensorflow-cpu==2.20.0 keras==3.15.1 numpy==2.1.3
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" - 2> /dev/null <<'EOF'
import keras
import numpy as np
import tensorflow as tf

x, kernel, bias = tf.ones((8, 8)), tf.fill((8, 8), float("nan")), tf.zeros(8)


def layer(x, kernel, bias):
    return tf.nn.relu(tf.nn.bias_add(tf.matmul(x, kernel), bias))


eager = layer(x, kernel, bias).numpy()
xla = tf.function(layer, jit_compile=True)(x, kernel, bias).numpy()
graph = tf.function(layer)(x, kernel, bias).numpy()
alone = tf.function(tf.nn.relu)(kernel).numpy()
print(f"eager: {eager[0, 0]}  XLA: {xla[0, 0]}  graph: {graph[0, 0]}  relu alone in a graph: {alone[0, 0]}")

inputs = keras.Input((8,))
hidden = keras.layers.Dense(8, activation="relu", kernel_initializer=keras.initializers.Constant(float("nan")))(inputs)
model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
found = []
for run_eagerly in (False, True):
    model.compile("sgd", "binary_crossentropy", run_eagerly=run_eagerly)
    found.append(model.predict(np.ones((8, 8), "float32"), verbose=0)[0, 0])
print(f"Keras, NaN kernel: graph {found[0]}  eager {found[1]}")

assert np.isnan(eager).all() and np.isnan(xla).all() and np.isnan(alone).all()
assert (graph == 0.0).all()
assert found[0] == 0.5 and np.isnan(found[1])
EOF
