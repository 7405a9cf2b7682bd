"""Draws counts by hour as bars: SVG made on the server, without scripts or inline styles."""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from neural.admin.display import coordinate

STEP, BAR, HEIGHT = 4, 3, 24
LOWEST = 1.5


def sparkline(counts: Sequence[int], *, label: str = "") -> SafeString:
    """A bar for each count, the oldest first; its numbers are the label that screen readers say."""
    most = max(counts, default=0)
    said = label or _("%(sum)d in %(hours)d hours, at most %(most)d an hour") % {
        "sum": sum(counts),
        "hours": len(counts),
        "most": most,
    }
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"></rect>',
        (
            (place * STEP, coordinate(HEIGHT - height), BAR, coordinate(height))
            for place, height in enumerate(_heights(counts, most))
            if height
        ),
    )
    return format_html(
        '<svg class="neural-sparkline" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><title>{}</title>{}</svg>',
        len(counts) * STEP,
        HEIGHT,
        said,
        said,
        bars,
    )


def _heights(counts: Sequence[int], most: int) -> list[float]:
    return [max(count / most * HEIGHT, LOWEST) if count else 0 for count in counts]
