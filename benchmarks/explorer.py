"""How long does one wait in the explorer?

Claims: the first curve at most 2 s after the page is asked for; the first curve of a zoom at most 0.5 s after the wheel
has turned, at N = 10^4 on two cores. Measured in headless Chromium, from the click or the turn of the wheel to data in
the browser that are those of the times seen. The first zoom of an N compiles its programs, which are then kept: it is
told apart. `--quick` zooms at N = 10^4 only and writes nothing.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import jax
import record

jax.config.update("jax_enable_x64", True)

from playwright.sync_api import sync_playwright  # noqa: E402

CURVE = "Bokeh.documents[0].get_model_by_name('curve')"
HERE = f"""() => {{
  const x = {CURVE}.renderers[2].data_source.data.x, range = {CURVE}.x_range, width = range.end - range.start
  return WIDTH && x.length > 5 && Math.abs(x[0] - range.start) + Math.abs(x[x.length - 1] - range.end) < 1e-6 * width
}}"""
STATUS = "Bokeh.documents[0].get_model_by_name('status').text"
ZOOMS = 8


def wait(page, width: str = "true") -> None:
    page.wait_for_function(HERE.replace("WIDTH", width), polling=10)


def zoom(page, width: float) -> float:
    """Seconds from the turn of the wheel to the curve of what is seen then; the wheel's rest is part of it."""
    page.get_by_label("Centre").fill("pi/2")
    page.get_by_label("Centre").press("Enter")
    page.get_by_label("Width").fill(str(width))
    page.get_by_label("Width").press("Enter")
    page.wait_for_timeout(200)
    page.get_by_role("button", name="Go there").click()
    wait(page, f"Math.abs(width / {width} - 1) < 1e-6")
    page.wait_for_timeout(1500)
    place = page.locator(".answer .bk-Figure").bounding_box()
    page.mouse.move(place["x"] + 0.4 * place["width"], place["y"] + 200)
    start = time.perf_counter()
    page.mouse.wheel(0, -240)
    wait(page, f"width < 0.95 * {width}")
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="N = 10^4 only, nothing written")
    quick = parser.parse_args().quick
    command = [sys.executable, "-m", "jaxent", "explore", "--port", "0", "--no-browser"]
    results: dict = {}
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as programs, sync_playwright() as play:
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"JAX_COMPILATION_CACHE_DIR": programs}
        )
        try:
            address = server.stdout.readline().split()[0]
            results["server_ready_seconds"] = time.perf_counter() - start
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            results["first_curve_seconds"] = []
            for _ in range(3):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(300_000)
                start = time.perf_counter()
                page.goto(address)
                page.wait_for_function("() => window.Bokeh && Bokeh.documents.length", polling=10)
                wait(page)
                results["first_curve_seconds"].append(time.perf_counter() - start)
            results["zooms"] = []
            for n_atoms in ("10^4",) if quick else ("10^4", "10^6"):
                page.get_by_label("Atoms N").fill(n_atoms)
                page.get_by_label("Atoms N").press("Enter")
                page.wait_for_timeout(500)
                page.wait_for_function(f"() => /points/.test({STATUS}) && !/computing/.test({STATUS})")
                seconds = [zoom(page, 0.4 * 0.3**index) for index in range(ZOOMS)]
                results["zooms"].append(
                    {
                        "n_atoms": n_atoms,
                        "first_seconds": seconds[0],
                        "median_seconds": statistics.median(seconds[1:]),
                        "largest_seconds": max(seconds[1:]),
                    }
                )
                print(results["zooms"][-1], flush=True)
            browser.close()
        finally:
            server.terminate()
    print(results, flush=True)
    if not quick:
        record.save("explorer", results)


if __name__ == "__main__":
    main()
