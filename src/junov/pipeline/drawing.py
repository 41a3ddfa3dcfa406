"""A pipeline as a picture: Mermaid for Markdown, SVG for everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from junov.pipeline.jobs import Job
from junov.pipeline.model import STAGES
from junov.pipeline.rules import Start

Selected = Sequence[tuple[Job, Start]]

_WIDTH, _HEIGHT = 150, 34
_ACROSS, _DOWN, _MARGIN, _TITLE = 56, 14, 16, 26


def mermaid(selected: Selected) -> str:
    """A flowchart: an arrow from each job to those that need it, dashed ones started by hand."""
    lines = ["flowchart LR"]
    numbers = {job.name: f"j{number}" for number, (job, _) in enumerate(selected)}
    for job, start in selected:
        shape = f'(["{job.name}"])' if start == "manual" else f'["{job.name}"]'
        lines.append(f"    {numbers[job.name]}{shape}")
    lines += [f"    {numbers[one]} --> {numbers[other]}" for one, other in _arrows(selected)]
    if any(start == "manual" for _, start in selected):
        lines.append("    classDef manual stroke-dasharray: 4 3")
        by_hand = ",".join(numbers[job.name] for job, start in selected if start == "manual")
        lines.append(f"    class {by_hand} manual")
    return "\n".join(lines) + "\n"


def svg(selected: Selected) -> str:
    """A column for each stage, with a frame for each job; dashed where it is started by hand."""
    stages = [stage for stage in STAGES if any(job.stage == stage for job, _ in selected)]
    columns = {stage: [each for each in selected if each[0].stage == stage] for stage in stages}
    places = {
        job.name: (
            _MARGIN + across * (_WIDTH + _ACROSS),
            _MARGIN + _TITLE + down * (_HEIGHT + _DOWN),
        )
        for across, stage in enumerate(stages)
        for down, (job, _) in enumerate(columns[stage])
    }
    width = 2 * _MARGIN + len(stages) * (_WIDTH + _ACROSS) - _ACROSS
    tallest = max((len(column) for column in columns.values()), default=0)
    height = 2 * _MARGIN + _TITLE + tallest * (_HEIGHT + _DOWN) - _DOWN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, sans-serif" font-size="13" role="img" '
        'aria-label="The jobs of a pipeline">'
    ]
    for across, stage in enumerate(stages):
        x = _MARGIN + across * (_WIDTH + _ACROSS)
        lines.append(f'  <text x="{x}" y="{_MARGIN + 10}" fill="#767676">{escape(stage)}</text>')
    for one, other in _arrows(selected):
        (x1, y1), (x2, y2) = places[one], places[other]
        if x2 > x1:
            start, end = (x1 + _WIDTH, y1 + _HEIGHT // 2), (x2, y2 + _HEIGHT // 2)
            middle = (start[0] + end[0]) // 2
            lines.append(
                f'  <path d="M{start[0]} {start[1]} C{middle} {start[1]} {middle} {end[1]} '
                f'{end[0]} {end[1]}" fill="none" stroke="#8a8a8a"/>'
            )
    for job, how in selected:
        x, y = places[job.name]
        dashes = ' stroke-dasharray="4 3"' if how == "manual" else ""
        lines += [
            f'  <rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="#f4f6fb" '
            f'stroke="#41579a"{dashes}/>',
            f'  <text x="{x + _WIDTH // 2}" y="{y + 22}" text-anchor="middle" fill="#1c2440">'
            f"{escape(job.name)}<title>{escape(job.title)}</title></text>",
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _arrows(selected: Selected) -> Iterator[tuple[str, str]]:
    names = {job.name for job, _ in selected}
    for job, _ in selected:
        for need in job.needs:
            if need.job in names:
                yield need.job, job.name
