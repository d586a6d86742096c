"""Weights files: safetensors with the settings of the model inside, and the LapSRN authors' `.mat` files."""
