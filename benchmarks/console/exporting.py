"""Makes a file of many runs in the measuring process: rows a second, and memory that it takes."""

import re
import time
from pathlib import Path
from typing import Any

from django.test import Client
from django.urls import reverse

from benchmarks.console.pages import Viewer
from benchmarks.http_load import HOST

ROWS = 200_000
WARM_UP = 1_000


def file_of_runs(viewer: Viewer) -> dict[str, float]:
    """Rows, rows a second, bytes a row, and by how many MB the process grew while it made them."""
    _read(viewer, WARM_UP)
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is measured from now on
    began = time.perf_counter()
    lines, size = _read(viewer, ROWS)
    seconds = time.perf_counter() - began
    return {
        "rows": lines,
        "rows_per_second": round(lines / seconds),
        "bytes_per_row": round(size / max(lines, 1)),
        "megabytes_more": round((_memory("VmHWM") - before) / 1000, 1),
    }


def _read(viewer: Viewer, rows: int) -> tuple[int, int]:
    address = f"{reverse('admin:neural_taskrun_export_csv')}?period=all&rows={rows}"
    answer: Any = Client(SERVER_NAME=HOST).get(address, headers=dict(viewer.headers))
    lines, size = 0, 0
    for part in answer.streaming_content:
        lines, size = lines + part.count(b"\r\n"), size + len(part)
    return lines - 1, size  # without the headings


def _memory(name: str) -> int:
    """Of this process, in kB."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0
