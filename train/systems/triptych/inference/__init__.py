"""Conversion, analysis and synthesis of recordings with a trained model; nothing here trains."""
