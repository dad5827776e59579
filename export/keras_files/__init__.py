"""Reading the model and weights files that Keras 3 and tf.keras 2 write."""
