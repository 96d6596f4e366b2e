"""Take the pictures of the explorer: python docs/explorer/take.py, with Chromium on the machine."""

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent
PICTURES = {"whole": None, "dip": "2e-3", "floor": "2e-5"}  # widths around π/2, of 10^6 atoms
STATUS = "Bokeh.documents[0].get_model_by_name('status').text"
STATE = "Bokeh.documents[0].get_model_by_name('spectrum').title.text"


def main() -> None:
    """Serve the explorer, look at it, write PNG files beside this one."""
    command = [sys.executable, "-m", "jaxent", "explore", "--port", "0", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().split()[0]
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1100, "height": 1010})
            page.set_default_timeout(300_000)
            page.goto(address)
            page.get_by_label("Atoms N").fill("10^6")
            page.get_by_label("Atoms N").press("Enter")
            page.wait_for_function(f"() => {STATUS}.includes('band engine')")
            for name, width in PICTURES.items():
                if width is not None:
                    page.get_by_label("Width").fill(width)
                    page.get_by_label("Width").press("Enter")
                    page.get_by_role("button", name="Go there").click()
                    page.wait_for_timeout(2000)
                page.wait_for_function(f"() => /points/.test({STATUS}) && !/computing/.test({STATUS})")
                before = page.evaluate(STATE)
                curve = page.locator(".answer .bk-Figure")
                width = curve.bounding_box()["width"]
                curve.click(position={"x": 0.52 * width, "y": 200})  # scrolls there, as a button below was clicked
                page.wait_for_function(f"before => {STATE} !== before && !/Computing/.test({STATE})", arg=before)
                page.evaluate("scrollTo(0, 0)")
                page.wait_for_timeout(1000)
                page.screenshot(path=FOLDER / f"{name}.png")
            browser.close()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
