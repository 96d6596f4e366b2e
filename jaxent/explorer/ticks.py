"""Ticks of the time axis: fractions of π where the view is wide, decimals where it is narrow, as many as fit."""

from typing import Any

from bokeh.models import CustomJSTicker, CustomJSTickFormatter

__all__ = ["put_fractions"]

_SHARED = """
const units = 24, unit = Math.PI / units  // a tick is a multiple of π/24, or a decimal
const low = plot.x_range.start, width = plot.x_range.end - low
const pixels = plot.properties.inner_width.is_unset ? 900 : plot.inner_width  // not known before the first drawing
const most = Math.max(3, Math.min(10, Math.floor(pixels / 70)))
const fitting = [1, 2, 3, 4, 6, 12, 24, 48].find(step => width / (step * unit) <= most)
const fractions = width >= 5 * unit && fitting !== undefined
function decimal(width) {
  const rough = Math.max(width / most, 1e-300), power = Math.pow(10, Math.floor(Math.log10(rough)))
  return power * [1, 2, 5, 10].find(step => step * power >= rough * (1 - 1e-9))
}
const step = fractions ? fitting * unit : decimal(width)
"""
_PLACES = (
    _SHARED
    + """
const first = Math.ceil(low / step - 1e-9), count = Math.floor((low + width) / step + 1e-9) - first + 1
return Array.from({length: Math.max(0, count)}, (_, index) => (first + index) * step)
"""
)
_WORDS = (
    _SHARED
    + """
if (!fractions) return String(Number(tick.toPrecision(9)))
const whole = Math.round(Math.abs(tick) / unit)
if (!whole) return "0"
const gcd = (a, b) => b ? gcd(b, a % b) : a
const common = gcd(whole, units), above = whole / common, below = units / common
return (tick < 0 ? "−" : "") + (above === 1 ? "" : above) + "π" + (below === 1 ? "" : "/" + below)
"""
)


def put_fractions(plot: Any) -> None:
    """Give a plot's horizontal axis such ticks; its range is in radians, or in distances from a multiple of π."""
    plot.xaxis.ticker = CustomJSTicker(args={"plot": plot}, major_code=_PLACES, minor_code="return []")
    plot.xaxis.formatter = CustomJSTickFormatter(args={"plot": plot}, code=_WORDS)
