"""Measures the speed, scale and quality of Triptych. Each module is a command; pages with results stand in
`results/`.

    .venv/bin/python -m benchmarks.render_speed --help

The product never imports this package.
"""
