"""Turn any exception into one sentence for the page."""

import logging

from jaxent.messages import shown

__all__ = ["sentence"]

_LOG = logging.getLogger(__name__)
_LONGEST = 500  # characters; the longest sentences of the library take about 300


def sentence(error: Exception) -> str:
    """Write an exception as one sentence; exceptions other than ValueError are also logged."""
    text = " ".join(str(error).split())
    if isinstance(error, ValueError) and text:
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    _LOG.error("%s: %s", type(error).__name__, text[:_LONGEST])
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return "Not computed: it needs more memory than there is; use fewer atoms or a narrower window."
    return f"Not computed, because of an error that the explorer does not know: {type(error).__name__} {shown(text)}."
