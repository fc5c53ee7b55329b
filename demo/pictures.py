"""``make pictures``: the pictures of the README, taken from one real search.

The live view is saved as SVG while the search runs, and the head of its report as PNG at its end.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.terminal_theme import MONOKAI

import xautolm
from xautolm_core.progress.live_view import LiveView
from xautolm_core.request.search_request import SearchRequest

LIVE_VIEW = "live-view.svg"
REPORT = "report.png"
COLUMNS = 112
"""Width of the terminal."""
REPORT_PIXELS = (1000, 1120)
"""Width and height of what is shown of the report."""
BUDGET_LEFT = 0.5
"""Share of the budget at which the live view is worth a picture: trials have ended, some run."""


class Photographed(LiveView):
    """A live view that saves itself once as SVG, as soon as there is something to see.

    Args:
        request: The search that is shown.
        picture: The file to write.
    """

    def __init__(self, request: SearchRequest, picture: Path) -> None:
        # Without a terminal nothing is drawn, but notes are recorded.
        console = Console(
            file=io.StringIO(), record=True, width=COLUMNS, height=40, highlight=False
        )
        super().__init__(request.spec, console=console)
        self._picture = picture
        self._recorded = console
        self._budget_seconds = request.spec.budget_seconds

    def tick(self, seconds_left: float | None, running: Mapping[int, Mapping[str, Any]]) -> None:
        """Take the picture when little enough of the budget is left and a model is trained."""
        super().tick(seconds_left, running)
        late = seconds_left is None or seconds_left < BUDGET_LEFT * (self._budget_seconds or 0.0)
        trains = any(heartbeat.get("step") for heartbeat in running.values())
        if late and trains and not self._picture.exists():
            self._recorded.print(self)
            self._recorded.save_svg(str(self._picture), title="xautolm search", theme=MONOKAI)


def main() -> int:
    """Search, and save both pictures; return the exit code."""
    arguments = parsed_arguments()
    out = arguments.out.absolute()
    data = {split: file.absolute() for split, file in splits_of(arguments.data).items()}
    out.mkdir(parents=True, exist_ok=True)
    for name in (LIVE_VIEW, REPORT):
        (out / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def shown(request: SearchRequest) -> Iterator[LiveView]:
        with Photographed(request, out / LIVE_VIEW) as view:
            yield view

    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        # Relative: what is shown names no folder of this machine.
        task = Path(arguments.name)
        task.mkdir()
        for split, file in data.items():
            shutil.copy(file, task / f"{split}{file.suffix}")
        result = xautolm.search(
            task,
            text=arguments.text,
            label=arguments.label,
            budget=arguments.budget,
            workers=arguments.workers,
            store="experiences",
            out=Path("runs") / task.name,
            progress=shown,
        )
        save_report(result.report_path.absolute(), out / REPORT)
    missing = [name for name in (LIVE_VIEW, REPORT) if not (out / name).exists()]
    for name in missing:
        print(f"{name}: no picture, the budget was too small to see anything", file=sys.stderr)
    return 1 if missing else 0


def parsed_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="folder with a file of each split")
    parser.add_argument("--name", default="reviews", help="of the task, as the pictures show it")
    parser.add_argument("--text", default=None, help="column of the text")
    parser.add_argument("--label", default=None, help="column of the class")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--workers", type=int, default=min(len(os.sched_getaffinity(0)), 2))
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    return parser.parse_args()


def splits_of(folder: Path) -> dict[str, Path]:
    """Return the file of each split in a folder."""
    return {
        split: next(iter(sorted(folder.glob(f"{split}.*"))))
        for split in ("train", "validation", "test")
    }


def save_report(page: Path, picture: Path) -> None:
    """Save the head of an HTML report as PNG.

    Needs Chromium and its driver, see ``make browser``.

    Args:
        page: The report.
        picture: The file to write.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    width, height = REPORT_PIXELS
    with webdriver.Chrome(options=options, service=service) as browser:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(page.as_uri())
        picture.write_bytes(browser.get_screenshot_as_png())


if __name__ == "__main__":
    sys.exit(main())
