"""What would be sent, before it is: each channel's message as its readers see it, and the exact text that leaves."""

from __future__ import annotations

import streamlit as st

from lib.alerts.console import desk, mail_view, slack_view
from lib.alerts.model import Notice, Rendered
from lib.ui import text
from lib.ui.runtime import current
from lib.ui.sandbox import sandbox


def preview(notice: Notice, key: str = "preview") -> None:
    """A tab per channel; the first that is set up comes first."""
    settings = current().settings
    ready, every = desk.configured(settings), desk.for_preview(settings)
    names = sorted(every, key=lambda name: name not in ready)
    tabs = st.tabs(
        [desk.TITLES[name] if name in ready else f"{desk.TITLES[name]} (not set up)" for name in names],
        key=f"{key}_tabs",
    )
    for tab, name in zip(tabs, names, strict=True):
        with tab:
            _DRAW[name](every[name].render(notice), f"{key}_{name}")
    st.caption("Key and time are given when it is sent; everything else leaves as it stands here.")


def slack(rendered: Rendered, key: str) -> None:
    """About as Slack draws it, in a frame that may load nothing and do nothing, beside the exact JSON."""
    left, right = st.columns([1, 1], gap="medium")
    with left:
        st.caption("About as Slack draws it; a link shows its address to the pointer")
        sandbox(slack_view.drawn(rendered.body), title="The message in Slack", key=f"{key}_drawn", height=440,
                follows=True)  # fmt: skip
    with right:
        st.caption(f"Exactly what leaves: {text.size(len(rendered.body))} of JSON, drawn over several lines")
        st.code(text.visible(rendered.preview), language="json", wrap_lines=True, height=440)


def mail(rendered: Rendered, key: str) -> None:
    """Both parts of the mail and its headers. The HTML part stands in a frame that may load nothing and do nothing."""
    found = mail_view.opened(rendered.body)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        st.caption("The HTML part, in a frame that can load nothing")
        sandbox(found.shut, title="The HTML part of the mail", key=f"{key}_html", height=440)
    with right:
        st.caption("The text part")
        st.code(text.visible(found.text), language=None, wrap_lines=True, height=300)
        st.caption("Headers")
        st.code(
            text.visible("\n".join(f"{name}: {value}" for name, value in found.headers)), language=None, wrap_lines=True
        )
    with st.expander("The whole mail as it leaves"):
        st.code(
            text.visible(rendered.body.decode("utf-8", "replace").replace("\r\n", "\n")),
            language=None,
            wrap_lines=True,
            height=360,
        )


def webhook(rendered: Rendered, key: str) -> None:
    """The JSON alone: programs read it."""
    st.caption(f"Exactly what leaves: {text.size(len(rendered.body))} of JSON, signed when it is sent")
    st.code(text.visible(rendered.preview), language="json", wrap_lines=True, height=440)


_DRAW = {"slack": slack, "email": mail, "webhook": webhook}
