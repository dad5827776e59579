"""Imported by verbs that only run a finished file, before they import kerastl.

It holds nothing. That it has been imported is what `kerastl.takes_keras` asks:
the packages then leave Keras and TensorFlow alone.
"""
