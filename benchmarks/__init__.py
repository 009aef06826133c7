"""Measures what the project claims of speed, scale and quality: each module is a command of its own.

    .venv/bin/python -m benchmarks.render_speed --help

No part of the product: nothing in `manifests`, `midi`, `presets`, `render` or `train` imports it.
"""
