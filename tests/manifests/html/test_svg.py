"""SVG elements: escaped, and numbers written short."""

from __future__ import annotations

from manifests.html.svg import element, polyline_points


def test_content_and_attributes_are_escaped() -> None:
    hostile = 'x" onload="alert(1)<b>&'
    text = element("text", hostile, class_=hostile, x=1.0)
    escaped = "x&#34; onload=&#34;alert(1)&lt;b&gt;&amp;"
    assert text == f'<text class="{escaped}" x="1">{escaped}</text>'


def test_elements_nest_and_names_are_spelled_as_svg_spells_them() -> None:
    inner = element("rect", width=2.5, stroke_width=3, y=0.004)
    assert element("g", inner) == '<g><rect width="2.5" stroke-width="3" y="0"/></g>'
    assert element("rect", x=100, y=-0.001) == '<rect x="100" y="0"/>'


def test_points_have_one_decimal() -> None:
    assert polyline_points([(0, 1), (2.25, 3.51)]) == "0.0,1.0 2.2,3.5"
