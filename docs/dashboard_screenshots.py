"""Makes the pictures of docs/how-to/dashboard.md: ``uv run python docs/dashboard_screenshots.py``."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from tests.reports.made_dashboard import made_sources  # noqa: E402 - the repository must be on the path first
from toolkit.reports.dashboard.writing import write_dashboard  # noqa: E402

SHOTS = (("overview", "light"), ("tests", "dark"), ("trends", "light"))


def main() -> None:
    """Open the dashboard of the tests' shop and take a picture of some views."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "dashboard.html")
        write_dashboard(made_sources(Path(folder)), path)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for view, scheme in SHOTS:
            context = browser.new_context(color_scheme=scheme, viewport={"width": 900, "height": 560})
            tab = context.new_page()
            tab.goto(f"{path.as_uri()}#{view}")
            tab.wait_for_selector("#main[data-tests=ready]")
            tab.wait_for_selector(f"#{view}-title")
            tab.screenshot(path=DOCS / "how-to" / f"dashboard-{view}.png")
        browser.close()


if __name__ == "__main__":
    main()
