"""Weights as files: one safetensors file holds a network's parameters and the settings to build it."""
