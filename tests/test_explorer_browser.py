"""The explorer in a real browser: it is opened, asked, zoomed, pointed at, taken along and given nonsense."""

import html
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import jaxent

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None and not os.environ.get("CI"):  # where CI runs a browser is installed: there it must not be skipped
    pytest.skip("no Chromium on this machine (apt-get install chromium)", allow_module_level=True)

playwright = pytest.importorskip("playwright.sync_api")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CURVE = "Bokeh.documents[0].get_model_by_name('curve')"
STATUS = "Bokeh.documents[0].get_model_by_name('status').text"
PATIENCE = 100_000  # milliseconds: a slow machine compiles


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    programs = str(tmp_path_factory.mktemp("programs"))
    server = subprocess.Popen(
        [sys.executable, "-m", "jaxent", "explore", "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": programs},
    )
    yield server.stdout.readline().split()[0]
    server.terminate()
    assert "Traceback" not in server.communicate(timeout=30)[1]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Tab:
    """A page of the explorer, and what it says."""

    def __init__(self, browser, address: str):
        self.errors: list[str] = []
        self.page = browser.new_page(viewport={"width": 1280, "height": 1000})
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_function("() => window.Bokeh && Bokeh.documents.length")
        self.finish()

    def finish(self) -> str:
        """Wait until the curve is complete; what it says then."""
        self.page.wait_for_function(f"() => /points/.test({STATUS}) && !/computing/.test({STATUS})")
        return self.status()

    def status(self) -> str:
        return html.unescape(re.sub(r"<[^>]+>", "", self.page.evaluate(f"() => {STATUS}")))

    def write(self, label: str, text: str) -> None:
        field = self.page.get_by_label(label, exact=False).first
        field.fill(text)
        field.press("Enter")

    def wait_for(self, words: str) -> str:
        self.page.wait_for_function("(words) => " + STATUS + ".includes(words)", arg=words)
        return self.status()

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        data = self.page.evaluate(
            f"() => {{ const d = {CURVE}.renderers[2].data_source.data; return [Array.from(d.x), Array.from(d.y)] }}"
        )
        return np.array(data[0], float), np.array(data[1], float)

    def seen(self) -> tuple[float, float, str]:
        return tuple(
            self.page.evaluate(f"() => [{CURVE}.x_range.start, {CURVE}.x_range.end, {CURVE}.below[0].axis_label]")
        )

    def middle(self) -> tuple[float, float]:
        """The middle of the curve's frame on the screen."""
        left, right, top, bottom = self.page.evaluate(
            """() => {
              const view = Bokeh.index.find_one_by_id(Bokeh.documents[0].get_model_by_name('curve').id)
              const box = view.frame.bbox, place = view.el.getBoundingClientRect()
              return [place.left + box.left, place.left + box.right, place.top + box.top, place.top + box.bottom]
            }"""
        )
        return (left + right) / 2, (top + bottom) / 2

    def arrive(self) -> None:
        """Wait until the curve is that of the times seen."""
        self.page.wait_for_function(
            f"""() => {{
              const x = {CURVE}.renderers[2].data_source.data.x, range = {CURVE}.x_range
              const off = Math.abs(x[0] - range.start) + Math.abs(x[x.length - 1] - range.end)
              return x.length > 5 && off < 1e-6 * (range.end - range.start)
            }}"""
        )

    def zoom_in(self, turns: int) -> None:
        """Turn the wheel over the middle, and wait for the first curve of what is seen then."""
        start, stop, _ = self.seen()
        self.page.mouse.move(*self.middle())
        for _ in range(turns):
            self.page.mouse.wheel(0, -240)
        width = f"({CURVE}.x_range.end - {CURVE}.x_range.start)"
        self.page.wait_for_function(f"(old) => {width} < 0.5 * old", arg=stop - start)
        self.page.wait_for_timeout(300)  # the wheel has come to rest
        self.arrive()


@pytest.fixture
def tab(browser, address):
    tab = Tab(browser, address)
    yield tab
    tab.page.close()
    assert tab.errors == []


def test_it_opens_with_a_curve(tab):
    x, y = tab.curve()
    assert len(x) > 200
    exact = np.asarray(jaxent.end_to_end_entropy(jaxent.Chain(3, 100), x[::16]))
    np.testing.assert_allclose(y[::16], exact, atol=1e-6)
    assert "101 of 101 Dicke states" in tab.status()


def test_the_address_keeps_no_token_and_the_page_can_be_reloaded(tab, address):
    assert "?token=" in address
    assert tab.page.url == address.split("?")[0]
    tab.page.reload()
    tab.page.wait_for_function("() => window.Bokeh && Bokeh.documents.length")
    assert "101 of 101 Dicke states" in tab.finish()


def test_the_log_negativity_on_the_screen_is_the_library_s(tab):
    tab.page.evaluate("() => { Bokeh.documents[0].get_model_by_name('quantity').value = 'log_negativity' }")
    tab.write("Atoms N", "1e6")
    tab.write("Centre", "1")
    tab.write("Width", "1e-6")
    tab.page.get_by_role("button", name="Go there").click()
    assert "band engine, error about" in tab.wait_for("band engine")
    tab.page.wait_for_function(f"() => {CURVE}.x_range.end < 1.1 && {CURVE}.title.text.includes('N = 1000000')")
    tab.arrive()
    _, y = tab.curve()
    expected = jaxent.end_to_end_renyi_entropy(jaxent.Chain(3, 10**6), 1.0, 0.5)
    np.testing.assert_allclose(y[len(y) // 2], expected, atol=2e-6)
    assert y[len(y) // 2] == pytest.approx(9.473, abs=0.001)
    tab.write("Dephasing rate", "0.01")
    tab.wait_for("Bloch bands")
    tab.finish()
    tab.arrive()
    x, y = tab.curve()
    assert tab.seen()[2] == "t − 113π/355 (1/coupling)"
    time = 113 * np.pi / 355 + x[0]
    found = jaxent.log_negativity_with_errors(jaxent.Chain(3, 10**6), time, 0.01)
    np.testing.assert_allclose(y[0], found.value, atol=2 * found.error)


def test_a_question_that_takes_too_long_says_so_and_fades_the_old_curve(tab):
    tab.page.evaluate("() => { Bokeh.documents[0].get_model_by_name('quantity').value = 'log_negativity' }")
    tab.write("Atoms N", "1e6")
    tab.write("Ensembles M", "5")
    tab.write("Dephasing rate", "0.01")
    sentence = tab.wait_for("with these settings takes")
    assert "N = 1000000 with these settings takes more than a year a point" in sentence
    assert tab.page.evaluate(f"() => {CURVE}.renderers[2].glyph.line_alpha.value") == 0.25


def test_three_levels_into_the_dip_at_half_pi(tab):
    tab.write("Atoms N", "1e6")
    tab.wait_for("band engine")
    tab.write("Centre", "pi/2")
    tab.write("Width", "1e-3")
    tab.page.get_by_role("button", name="Go there").click()
    tab.page.wait_for_function(f"() => {CURVE}.x_range.end < 0.0006")
    tab.arrive()
    for _ in range(3):
        before = tab.seen()
        tab.zoom_in(3)
        start, stop, label = tab.seen()
        x, y = tab.curve()
        assert stop - start < 0.5 * (before[1] - before[0])
        assert label == "t − π/2 (1/coupling)"
        assert start < 0 < stop
        assert y[abs(x).argmin()] == pytest.approx(2.0, abs=1e-5)  # log2 4 at the bottom, however deep
        curve = jaxent.entropy_curve(
            jaxent.Chain(3, 10**6), x[0], x[len(x) // 4], 2, around=jaxent.pi_fraction(1, 2), max_levels=1
        )
        np.testing.assert_allclose(y[[0, len(x) // 4]], curve.entropy, atol=2e-6)


def test_the_pointer_reads_the_time_and_the_state(tab):
    tab.page.mouse.move(*tab.middle())
    for words in (r"^π/2( [+−] \S+)?, r = 4$", r"^\d\.\d{8} bits$", r"^error", r"^\d\.\de-\d\d bits$"):
        tab.page.get_by_text(re.compile(words)).first.wait_for()
    title = "Bokeh.documents[0].get_model_by_name('spectrum').title.text"
    tab.page.wait_for_function(f"() => /t = π.2/.test({title})")
    probabilities = tab.page.evaluate(
        "() => Array.from(Bokeh.documents[0].get_model_by_name('outcome').renderers[0].data_source.data.p)"
    )
    assert sum(probabilities) == pytest.approx(1.0, abs=1e-9)


def test_what_is_seen_is_taken_along(tab, tmp_path):
    for button, name in (("Save data (CSV)", "curve.csv"), ("Save Python", "curve.py")):
        with tab.page.expect_download() as download:
            tab.page.get_by_role("button", name=button).click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
    rows = [line.split(",") for line in (tmp_path / "curve.csv").read_text(encoding="utf-8").splitlines()[4:]]
    x, y = tab.curve()
    np.testing.assert_array_equal(np.array(rows, float)[:, :2], np.column_stack([x, y]))
    assert "jaxent.entropy_curve(chain, 0.0, 3.2, " in (tmp_path / "curve.py").read_text(encoding="utf-8")
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="Save picture (SVG)").click()
    download.value.save_as(tmp_path / "curve.svg")
    picture = (tmp_path / "curve.svg").read_text(encoding="utf-8")
    assert "<dc:title>entanglement E: M = 3, N = 100, q = N, φ = 0</dc:title>" in picture
    drawn = max(re.findall(r' d="(M[^"]+)"', picture), key=len)  # the curve
    assert drawn.count("L") > len(x) / 3  # Matplotlib leaves out what is on a line


TICKS = f"""() => {{
  const plot = {CURVE}, axis = plot.below.find(one => one.axis_label)
  const {{start, end}} = plot.x_range
  return axis.formatter.doFormat(axis.ticker.get_ticks(start, end, plot.x_range, 0).major, {{loc: 0}})
}}"""
NAMES = f"() => {CURVE}.renderers.find(one => one.glyph.type == 'Text').data_source.data.text"


def test_ticks_are_fractions_of_pi_and_no_names_collide_on_a_small_screen(browser, address):
    one = Tab(browser, address)
    assert one.page.evaluate(TICKS) == ["0", "π/8", "π/4", "3π/8", "π/2", "5π/8", "3π/4", "7π/8", "π"]
    many = len(one.page.evaluate(NAMES))
    one.page.set_viewport_size({"width": 390, "height": 900})
    one.page.wait_for_function(f"() => {CURVE}.inner_width < 350 && ({NAMES})().length < {many}")
    assert one.page.evaluate(TICKS) in (["0", "π/2", "π"], ["0", "π/4", "π/2", "3π/4", "π"])
    assert {"r=2", "r=3", "r=4"} <= set(one.page.evaluate(NAMES))
    marks = f"{CURVE}.renderers[1].data_source.data"
    lines, names = one.page.evaluate(f"() => [Array.from({marks}.x), Array.from({marks}.at)]")
    start, end = one.seen()[:2]
    apart = 20 * (end - start) / one.page.evaluate(f"() => {CURVE}.inner_width")  # half of a name's 40 pixels
    assert min(names) - start >= 0.99 * apart  # within the frame, and beside its line no further than needed
    assert end - max(names) >= 0.99 * apart
    np.testing.assert_allclose(names, np.clip(lines, start + apart, end - apart), atol=0.02 * apart)
    one.write("Centre", "pi/2")
    one.write("Width", "0.01")
    one.page.get_by_role("button", name="Go there").click()
    one.page.wait_for_function(f"() => {CURVE}.x_range.end < 0.1")
    one.finish()
    assert one.page.evaluate(TICKS) == ["-0.005", "0", "0.005"]
    assert one.errors == []
    one.page.close()


def test_a_bad_value_says_what_is_wrong_and_the_curve_stays(tab):
    for label, good, bad, sentence in (
        ("Atoms N", "100", "many", "N must be a whole number from 1 to 10^10, but is 'many'."),
        ("Outcome q", "N", "101", "Outcome q must lie in 0…100"),
        ("Dephasing rate", "0", "0.1", "choose the log negativity"),
        ("Dephasing rate", "0", "<b>", "Rate γ must be a number from 0 to 1000, as 0.1 or pi/8, but is '<b>'."),
    ):
        before = tab.curve()
        tab.write(label, bad)
        assert sentence in tab.wait_for(sentence[:20])
        np.testing.assert_array_equal(tab.curve(), before)
        tab.write(label, good)
        tab.finish()


def test_two_tabs_do_not_disturb_each_other(browser, address, tab):
    other = Tab(browser, address)
    other.write("Atoms N", "30")
    tab.write("Offset", "0.2")
    other.wait_for("31 of 31 Dicke states")
    other.finish()
    tab.finish()
    tab.page.wait_for_function(f"() => {CURVE}.renderers[2].data_source.data.y[0] > -1")
    x, y = other.curve()
    np.testing.assert_allclose(y[::40], jaxent.end_to_end_entropy(jaxent.Chain(3, 30), x[::40]), atol=1e-6)
    assert "101 of 101" in tab.status()
    assert other.errors == []
    other.page.close()


# fields and curve, once it is complete
PICTURE = f"""() => {{
  const doc = Bokeh.documents[0], curve = doc.get_model_by_name('curve'), data = curve.renderers[2].data_source.data
  const names = ["quantity", "n_ensembles", "n_atoms", "window", "phase_offset", "outcomes", "dephasing_rate",
    "resolution"]
  const is_new = curve.renderers[2].glyph.line_alpha.value === 1
  return is_new && /points/.test({STATUS}) && !/computing/.test({STATUS}) && JSON.stringify([
    names.map((name) => doc.get_model_by_name(name).value),
    curve.title.text, curve.below[0].axis_label, curve.x_range.start, curve.x_range.end,
    Array.from(data.x), Array.from(data.y),
  ])
}}"""


def picture(tab: Tab) -> str:
    return tab.page.wait_for_function(PICTURE).json_value()


def is_shown(tab: Tab, expected: str) -> None:
    tab.page.wait_for_function(f"expected => ({PICTURE})() === expected", arg=expected)


def test_ten_states_come_back_by_their_addresses(browser, address, tab):
    def go_to(centre, width):
        tab.write("Centre", centre)
        tab.write("Width", width)
        tab.page.get_by_role("button", name="Go there").click()

    changes = [
        lambda: tab.write("Atoms N", "30"),
        lambda: go_to("pi/2", "1e-3"),
        lambda: go_to("1.2", "0.1"),
        lambda: tab.write("Offset", "pi/8"),
        lambda: tab.write("Outcome q", "N-1"),
        lambda: tab.page.get_by_role("button", name="Whole curve").click(),
        lambda: tab.write("Offset", "0.5"),
        lambda: tab.write("Outcome q", "27"),
        lambda: tab.write("Offset", "0.2"),
    ]
    new = f"old => {{ const now = ({PICTURE})(); return now !== old && now }}"
    seen = [(tab.page.url, picture(tab))]
    for change in changes:
        change()
        tab.page.wait_for_function("old => location.href !== old", arg=seen[-1][0])  # the old curve has faded
        shown = tab.page.wait_for_function(new, arg=seen[-1][1]).json_value()
        seen.append((tab.page.url, shown))
    assert len({url for url, _ in seen}) == len({shown for _, shown in seen}) == 10
    for url, shown in seen[-2::-1]:
        tab.page.go_back()
        is_shown(tab, shown)
        assert tab.page.url == url
    for url, shown in seen[1:4]:
        tab.page.go_forward()
        is_shown(tab, shown)
        assert tab.page.url == url
    tab.page.reload()
    tab.page.wait_for_function("() => window.Bokeh && Bokeh.documents.length")
    is_shown(tab, seen[3][1])
    sent = Tab(browser, f"{address}&{seen[5][0].split('?')[1]}")
    is_shown(sent, seen[5][1])
    assert (sent.page.url, sent.errors) == (seen[5][0], [])
    sent.page.close()


def test_nothing_stale_passes_for_new_and_what_takes_long_is_cancelled(tab):
    old = tab.page.evaluate(
        f"""async () => {{
          Bokeh.documents[0].get_model_by_name('n_atoms').value = '31'
          await new Promise((done) => setTimeout(done, 0))
          return {CURVE}.renderers[2].glyph.line_alpha.value
        }}"""
    )
    assert old == 0.25  # at once, before any answer
    tab.write("Centre", "left")
    tab.page.get_by_role("button", name="Go there").click()
    tab.wait_for("Centre must be a number")
    cancel = tab.page.get_by_role("button", name="Cancel")
    assert not cancel.is_visible()
    tab.write("Atoms N", "60")
    tab.page.evaluate("() => { Bokeh.documents[0].get_model_by_name('quantity').value = 'log_negativity' }")
    tab.write("Dephasing rate", "0.01")
    assert "Centre must be" in tab.wait_for(" s left")
    cancel.click()
    tab.wait_for("Cancelled at ")
    assert "Centre must be" in tab.status()
    tab.write("Centre", "1")
    tab.page.wait_for_function(f"() => !/Centre/.test({STATUS})")
    assert "Cancelled at " in tab.status()
    cancel.wait_for(state="hidden")


def test_a_kept_curve_is_compared_with_and_both_come_back(tab):
    kept = tab.curve()
    tab.page.get_by_role("button", name="Keep this curve").click()
    tab.page.get_by_label("keep entanglement E: M = 3, N = 100, q = N, φ = 0").wait_for()
    tab.write("Atoms N", "30")
    tab.wait_for("31 of 31")
    tab.finish()
    legend = f"{CURVE}.below.filter((one) => one.type == 'Legend')[0]"
    companions = (
        f"{CURVE}.renderers.filter((one) => one.glyph.line_dash?.value?.length).map((one) => one.data_source.data)"
    )
    points = f"{companions}.filter((data) => data.x.length).map((data) => [Array.from(data.x), Array.from(data.y)])"
    read = f"() => [{legend}.items.map((item) => item.label.value), {legend}.visible, {points}]"
    labels, is_visible, drawn = tab.page.evaluate(read)
    assert labels == [f"entanglement E: M = 3, N = {n}, q = N, φ = 0" for n in (30, 100)]
    assert is_visible
    np.testing.assert_array_equal(drawn, [kept])
    before = tab.page.evaluate(read)
    tab.page.reload()
    tab.page.wait_for_function("() => window.Bokeh && Bokeh.documents.length")
    tab.finish()
    assert tab.page.evaluate(read) == before
    tab.page.get_by_label("keep entanglement E").uncheck()
    tab.page.wait_for_function(f"() => !{legend}.visible")
    tab.page.go_back()
    tab.page.wait_for_function(f"() => {legend}.visible")
    tab.page.get_by_label("Start from").select_option("floor of π/2")
    tab.wait_for("band engine")
    tab.page.wait_for_function(f"() => {CURVE}.x_range.end == 1e-4 && !{legend}.visible")
    tab.page.go_back()
    tab.page.wait_for_function(f"() => {CURVE}.x_range.end == 3.2 && {legend}.visible")


FOCUS = """() => {
  let one = document.activeElement
  while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement
  return one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent
}"""


def test_the_keyboard_alone_suffices(tab):
    def tab_to(name: str) -> None:
        for _ in range(60):
            tab.page.keyboard.press("Tab")
            if tab.page.evaluate(FOCUS).startswith(name):
                return
        raise AssertionError(f"{name} has no focus")

    keys = tab.page.keyboard
    tab_to("Atoms N")
    keys.press("Control+a")
    keys.type("30")
    keys.press("Enter")
    tab.wait_for("31 of 31")
    tab.finish()
    tab_to("Curve. Arrow keys")
    reading = "Bokeh.documents[0].get_model_by_name('reading').text"
    width = f"({CURVE}.x_range.end - {CURVE}.x_range.start)"
    before = tab.page.evaluate(reading)
    keys.press("ArrowRight")
    tab.page.wait_for_function(f"before => {reading} !== before", arg=before)
    time, value = re.search(r"t = (.*), r = \d+: ([\d.]+) bits", tab.page.evaluate(reading)).groups()
    assert time.startswith("π/2 + 0.0")
    exact = float(jaxent.end_to_end_entropy(jaxent.Chain(3, 30), np.pi / 2 + float(time.split("+ ")[1])))
    assert float(value) == pytest.approx(exact, abs=2e-3)  # the time is written to three digits
    keys.press("+")
    tab.page.wait_for_function(f"() => Math.abs({width} - 1.6) < 1e-9")
    tab.finish()
    start = tab.seen()[0]
    keys.press("Shift+ArrowLeft")
    tab.page.wait_for_function(f"start => Math.abs({CURVE}.x_range.start + 0.4 - start) < 1e-9", arg=start)
    keys.press("-")
    tab.page.wait_for_function(f"() => {width} > 2.4")
    keys.press("Home")
    tab.page.wait_for_function(f"() => {CURVE}.x_range.end === 3.2")
    tab_to("Keep this curve")
    keys.press("Enter")
    tab.page.get_by_label("keep entanglement E: M = 3, N = 30").wait_for()


def test_it_fits_a_phone_and_is_read_aloud(browser, address, tab):
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.page.wait_for_function(f"() => {CURVE}.inner_width < 390")
    scrolled = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert tab.page.evaluate(scrolled)
    tab.page.get_by_role("button", name="Keep this curve").click()
    tab.write("Window", "2.500000001")
    legend = f"{CURVE}.below.filter((one) => one.type == 'Legend')[0]"
    tab.page.wait_for_function(f"() => {legend}.items[0]?.label.value.includes('2.5,')")
    tab.page.wait_for_function(scrolled)  # the legend has been broken into lines
    assert "\n" in tab.page.evaluate(f"() => {legend}.items[0].label.value")
    tab.write("Atoms N", "many")  # an error, its frame and its colour are judged too
    tab.wait_for("N must be a whole number")
    assert tab.page.evaluate(scrolled)
    if not os.environ.get("CI"):
        pytest.importorskip("axe_playwright_python")
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab.page).response["violations"]
    assert [(one["id"], one["help"]) for one in found if one["impact"] in ("serious", "critical")] == []
    for size in ({"width": 1280, "height": 900}, {"width": 1920, "height": 1080}):
        tab.page.set_viewport_size(size)
        assert tab.page.evaluate(scrolled)


def test_open_lists_are_dark_where_the_page_is(tab):
    colour = "one => getComputedStyle(one).backgroundColor"
    for name in ("Quantity", "Start from"):
        option = tab.page.get_by_label(name).locator("option").first
        assert option.evaluate(colour) != "rgb(22, 22, 22)"
        tab.page.emulate_media(color_scheme="dark")
        assert option.evaluate(colour) == "rgb(22, 22, 22)"
        tab.page.emulate_media(color_scheme="light")
