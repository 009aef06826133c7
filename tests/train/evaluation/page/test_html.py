"""HTML of the listening page: names of systems, timbres and datasets are text."""

from __future__ import annotations

from html.parser import HTMLParser

from tests.support.listening_page import page_data
from train.evaluation.page.html import PageFacts, render_page

HOSTILE = "<b>&\"'</script><img src=x onerror=alert(1)>"


def score(method: str, kind: str, mean: float | None) -> dict[str, object]:
    low, high = (None, None) if mean is None else (mean - 0.1, mean + 0.1)
    return {
        "split": HOSTILE, "kind": kind, "metric": "mstft_floored", "method": method, "mean": mean,
        "low": low, "high": high, "count": 3, "failed": 1,
    }  # fmt: skip


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attributes)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_names_are_text_wherever_they_stand() -> None:
    scores = [score(HOSTILE, "timbre", 0.5), score("copy_of_source", "timbre", None)]
    scores += [score(HOSTILE, "mean of kinds", 0.5), score("target_through_codec", "mean of kinds", 0.25)]
    summary = {"heading": HOSTILE, "scores": scores, "differences": []}
    sound = {"role": HOSTILE, "facts": [HOSTILE]}
    row = {"split": HOSTILE, "kind": HOSTILE, "cases": [HOSTILE], "sounds": [sound]}
    facts = PageFacts([(HOSTILE, HOSTILE)], [(HOSTILE, HOSTILE)], [44_100], HOSTILE)
    page = render_page([row], summary, facts)
    tags = Tags()
    tags.feed(page)
    assert "img" not in tags.tags
    assert tags.tags.count("b") == page.count("<b>"), "every b is ours"
    assert "".join(tags.text).count(HOSTILE) >= 12
    assert page_data(page)["rows"] == [row]


def test_toplines_are_not_the_best_conversion() -> None:
    scores = [score("estimate", "mean of kinds", 0.5), score("target_through_codec", "mean of kinds", 0.25)]
    summary = {"heading": "", "scores": [s | {"split": "validation"} for s in scores], "differences": []}
    page = render_page([], summary, PageFacts([], [], [44_100], "Drawn."))
    assert '<tr class="m-estimate best"><th scope="row">this system</th>' in page
    assert '<tr class="m-target_through_codec"><th scope="row">target through codec</th>' in page
    assert "0.50 <small>0.40 to 0.60</small><small>1 failed</small>" in page
