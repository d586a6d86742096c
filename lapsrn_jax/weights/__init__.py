"""Weights files: safetensors that include the model's settings, and the LapSRN authors' `.mat` files."""
