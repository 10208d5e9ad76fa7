"""An import report in words, as rich text."""

from __future__ import annotations

from html import escape

from core.analyses.importing import Report

SHOWN = 12  # frames named one by one before "and K more"


def frames_in_words(frames: tuple[int, ...]) -> str:
    """ "3, 7, 12 and 4 more"."""
    named = ", ".join(str(f) for f in frames[:SHOWN])
    more = len(frames) - SHOWN
    return f"{named} and {more:,} more" if more > 0 else named


def report_html(report: Report, *, name: str = "") -> str:
    """What was found, one line each; problems first and marked."""
    good, bad = "✓", "⚠"
    lines: list[tuple[str, str]] = [(bad, escape(p)) for p in report.problems]
    head = f"{report.frames:,} frame{'s' if report.frames != 1 else ''} of {report.formula}"
    lines.append((good, f"{escape(head)} ({escape(report.format)})"))
    for count, what in ((report.n_energies, "energies"), (report.n_forces, "forces")):
        mark = good if count == report.frames else ("–" if not count else bad)
        text = f"{count:,} {what}" if count else f"no {what} found"
        if 0 < count < report.frames:
            text += f": missing in {report.frames - count:,} frames"
        lines.append((mark, text))
    if report.n_energies or report.n_forces:
        mark = bad if report.unsure else good
        why = f": {escape(report.unit_reason)}" if report.unit_reason else ""
        lines.append((mark, f"units {escape(report.units or 'unknown')}{why}"))
    if report.n_forces:
        sign = {
            "ok": (good, "the forces point downhill"),
            "reversed": (bad, "the forces point uphill: their sign is reversed"),
        }.get(report.force_sign, ("–", "the sign of the forces could not be tested"))
        detail = f" ({escape(report.force_sign_detail)})" if report.force_sign_detail else ""
        lines.append((sign[0], sign[1] + detail))
    if report.duplicates:
        text = f"{len(report.duplicates):,} repeat an earlier frame: "
        lines.append((bad, text + frames_in_words(report.duplicates)))
    elif report.frames > 1:
        lines.append((good, "no duplicates"))
    if report.outliers:
        text = f"{len(report.outliers):,} far outside in energy or force: frame "
        lines.append((bad, text + frames_in_words(report.outliers)))
    lines += [("–", escape(note)) for note in report.notes]
    rows = "".join(
        f"<tr><td style='padding-right:6px'>{mark}</td><td>{text}</td></tr>" for mark, text in lines
    )
    title = f"<p><b>{escape(name)}</b></p>" if name else ""
    return f"{title}<table cellspacing='2'>{rows}</table>"
