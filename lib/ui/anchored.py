"""Brings the part that the address names after its # into view, once the page above it has its height."""

from __future__ import annotations

import streamlit as st

_COMPONENT = st.components.v2.component(
    "anchored",
    js="""export default function ({ parentElement }) {
      let wanted = "";
      try { wanted = decodeURIComponent(location.hash.slice(1)); } catch { /* no part has such a name */ }
      if (!wanted || parentElement.dataset.went) return;
      parentElement.dataset.went = "1";
      let left = 30;  // what stands above is drawn bit by bit: the browser itself goes there once, and too early
      const theirs = ["wheel", "touchmove", "keydown", "pointerdown"];
      const stop = () => {
        clearInterval(timer);
        theirs.forEach((name) => removeEventListener(name, stop, true));
      };
      const timer = setInterval(() => {
        document.getElementById(wanted)?.scrollIntoView();
        if (--left <= 0) stop();
      }, 100);
      theirs.forEach((name) => addEventListener(name, stop, true));
      return stop;
    }""",
    isolate_styles=False,
)


def to_the_part_named() -> None:
    """Call it last on a page whose parts are linked to from elsewhere. Whoever scrolls meanwhile is left alone."""
    _COMPONENT(key="anchored")
