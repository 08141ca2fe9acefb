"""Shows HTML that was made elsewhere, in a frame that may do nothing: no script, no origin, no form, no way out."""

from __future__ import annotations

import streamlit as st

_FRAME = st.components.v2.component(
    "sandbox",
    html="<div class='halo-sandbox'></div>",
    js="""export default function ({ data, parentElement }) {
      const place = parentElement.querySelector(".halo-sandbox");
      let frame = place.querySelector("iframe");
      if (!frame) {
        frame = document.createElement("iframe");
        frame.setAttribute("sandbox", "");
        frame.setAttribute("referrerpolicy", "no-referrer");
        frame.style.cssText = "width:100%;border:1px solid rgba(128,128,128,.35);border-radius:8px;";
        place.appendChild(frame);
      }
      frame.title = data.title;
      frame.style.height = data.height + "px";
      frame.style.colorScheme = data.follows ? "light dark" : "light";
      frame.style.background = data.follows ? "transparent" : "#fff";
      if (frame.dataset.shown !== data.html) { frame.dataset.shown = data.html; frame.srcdoc = data.html; }
    }""",
    isolate_styles=False,
)


def sandbox(html: str, *, title: str, key: str, height: int = 420, follows: bool = False) -> None:
    """The HTML in a frame of this height (px), which says `title` to a screen reader. It must forbid loading by itself.

    `follows`: it has colours of its own for a dark screen; else it stands on white.
    """
    _FRAME(data={"html": html, "title": title, "height": height, "follows": follows}, key=key)
