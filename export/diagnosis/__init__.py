"""Where an exported file loses precision, told by Keras layer name."""
