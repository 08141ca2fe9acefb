"""What to do about an answer of a channel: by its words where they say more than its code, else the channel's own hint."""

from __future__ import annotations

from lib.alerts.model import Channel

_HTTP = (
    ("no_service", "The webhook was removed or its app is disabled: make a new one in Slack and set SLACK_WEBHOOK_URL."),
    ("no_team", "That Slack workspace does not exist any more: make a webhook in the right one and set SLACK_WEBHOOK_URL."),
    ("invalid_token", "The address of the webhook is wrong or was withdrawn: copy it anew into SLACK_WEBHOOK_URL."),
    ("action_prohibited", "An admin of the workspace forbids this app to post: ask them, or use another channel."),
    ("channel_is_archived", "The channel is archived: make a webhook for another one and set SLACK_WEBHOOK_URL."),
    ("channel_not_found", "The channel is gone: make a webhook for another one and set SLACK_WEBHOOK_URL."),
    ("invalid_payload", "Slack does not take this message. If a plain free-text test goes through, report the rule's text."),
    ("not named in HALO_OPS_ALERT_HOSTS", "Nothing was sent. Add the host to HALO_OPS_ALERT_HOSTS if it is really meant."),
    ("not public", "Nothing was sent: the name leads inside. If that is meant, add it to HALO_OPS_ALERT_PRIVATE_HOSTS."),
    ("must be https", "Nothing was sent: use https://, or name the host in HALO_OPS_ALERT_PRIVATE_HOSTS."),
    ("redirects", "It answers with a redirect, which is not followed: set the address that it leads to."),
    ("has no address", "The name cannot be resolved: check its spelling, DNS of this host, or HALO_OPS_ALERT_PROXY."),
    ("certificate", "Its certificate is not trusted: set HALO_OPS_ALERT_CA to your authority, or look for a proxy that opens TLS."),
    ("no answer in time", "It hangs or a firewall drops packets. The message may have arrived: look there before you send again."),
    ("cannot connect", "Nothing listens there or a firewall refuses it: try it with curl from this host; is a proxy needed?"),
    ("connection broke", "It closed the connection: a proxy or firewall in between? Look there whether the message arrived."),
)  # fmt: skip
_SMTP = (
    ("STARTTLS or sign-in", "Set HALO_OPS_SMTP_SECURITY=tls with port 465, or a port that offers STARTTLS (587)."),
    ("not trusted", "Set HALO_OPS_SMTP_CA to the authority that signed it, and HALO_OPS_SMTP_HOST to the name in the certificate."),
    ("does not speak TLS", "The port and HALO_OPS_SMTP_SECURITY do not fit: 587 is starttls, 465 is tls."),
    ("does not answer in time", "A firewall drops packets or the port is wrong. The mail may have arrived: look before you send again."),
    ("Name or service not known", "The name cannot be resolved: check HALO_OPS_SMTP_HOST."),
    ("refused", "Nothing listens there, or it refuses this host: check HALO_OPS_SMTP_HOST and HALO_OPS_SMTP_PORT."),
    ("relay", "The server does not relay for this host: sign in (HALO_OPS_SMTP_USER), or have the host allowed."),
)  # fmt: skip
_BY_CHANNEL = {"email": _SMTP}


def hint(channel: Channel, code: int, reply: str) -> str:
    """One sentence or two; "" where it needs nothing."""
    if 200 <= code < 300:
        return channel.hint(code, reply)
    known = () if channel.name == "email" and code else _BY_CHANNEL.get(channel.name, _HTTP)
    said = next((words for sign, words in known if sign.lower() in reply.lower()), "")
    return said or channel.hint(code, reply)
