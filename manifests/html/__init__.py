"""HTML and SVG for the audit page and the listening page. Needs Jinja2 (the `audit` and `train` extras)."""
