"""Presets, recipes, data folders and the command line."""
