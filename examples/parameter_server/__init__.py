"""An asynchronous job in the TensorFlow 1 style: a parameter server and three workers, an airport each."""
