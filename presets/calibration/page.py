"""Draws a calibration as an HTML page: each stage's measured points against its law, and its dependences."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from markupsafe import Markup, escape

from manifests.html.svg import element, polyline_points
from presets.calibration.draft import describe_stage
from presets.calibration.measure_plugin import Calibration, StageLaw, StageName

WIDTH, HEIGHT, LEFT, BOTTOM = 460.0, 260.0, 56.0, 28.0
LOWEST_MS = 0.1
"""Shorter times are drawn at this one: the axis is logarithmic."""


def calibration_page(calibration: Calibration) -> str:
    """Returns the page as HTML that needs no other file.

    Example: `Path("calibration.html").write_text(calibration_page(bench.calibration))`.
    """
    style = files("manifests.html").joinpath("base.css").read_text(encoding="utf-8")
    parts = [
        Markup("<h1>{}</h1>").format(calibration.plugin.name),
        Markup("<p>{} parameters; renders repeat within a process: {}, across processes: {}.</p>").format(
            len(calibration.parameters),
            "yes" if calibration.repeats_within else "no",
            "yes" if calibration.repeats_across else "no",
        ),
    ]
    for stage, law in calibration.stages.items():
        parts += [
            Markup("<h2>{}: {}</h2>").format(stage, law.parameter),
            Markup("<pre>{}</pre>").format("\n".join(describe_stage(stage, law))),
            _picture(stage, law),
            _table(stage, law),
        ]
    body = Markup("\n").join(parts)
    head = f"<meta charset='utf-8'><title>{escape(calibration.plugin.name)}</title><style>{style}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body><main>{body}</main></body></html>\n"


def _picture(stage: StageName, law: StageLaw) -> Markup:
    """Draws the points and the law: the parameter's value across, ms (logarithmic) or the level upwards."""
    if not law.points:
        return Markup("")
    is_level = stage == "sustain"
    values, measured = np.array(law.points).T

    def height(y: float) -> float:
        return y if is_level else float(np.log10(max(y, LOWEST_MS)))

    low = 0.0 if is_level else height(float(measured.min()))
    high = max(height(float(measured.max())), low + 1e-3)

    def place(x: float, y: float) -> tuple[float, float]:
        up = (min(max(height(y), low), high) - low) / (high - low)
        return LEFT + x * (WIDTH - LEFT - 10.0), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - 12.0)

    content = []
    if law.law is not None:
        line = [place(x, law.law.to_ms(x)) for x in np.linspace(0.0, 1.0, 101).tolist()]
        content.append(
            element("polyline", points=polyline_points(line), fill="none", stroke="#888", stroke_width=1.5)
        )
    for x, y in zip(values.tolist(), measured.tolist(), strict=True):
        across, down = place(x, y)
        content.append(element("circle", cx=across, cy=down, r=3.0, fill="#1f6fb2"))
    for y in (float(measured.min()), float(measured.max())):
        text = f"{y:.3g}" + ("" if is_level else " ms")
        content.append(element("text", text, x=4.0, y=place(0.0, y)[1] + 4.0, font_size=11.0))
    content.append(element("text", "0", x=LEFT, y=HEIGHT - 8.0, font_size=11.0))
    content.append(element("text", "value 1", x=WIDTH - 48.0, y=HEIGHT - 8.0, font_size=11.0))
    return element("svg", *content, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", width=WIDTH, height=HEIGHT)


def _table(stage: StageName, law: StageLaw) -> Markup:
    """Lists every measured point, what the law says there, and what could not be measured."""
    unit = "level" if stage == "sustain" else "ms"
    rows = []
    for value, measured in law.points:
        said = law.law.to_ms(value) if law.law is not None else float("nan")
        cells = (f"{value:.4f}", f"{measured:.4g}", f"{said:.4g}", f"{measured - said:+.3g}")
        rows.append(
            Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(c) for c in cells))
        )
    rows += [Markup("<tr><td colspan=4>{}</td></tr>").format(line) for line in law.missed]
    titles = Markup("").join(
        Markup("<th>{}</th>").format(title)
        for title in ("value", f"{unit} measured", f"{unit} of the law", "off by")
    )
    return Markup("<table><tr>{}</tr>{}</table>").format(titles, Markup("").join(rows))
