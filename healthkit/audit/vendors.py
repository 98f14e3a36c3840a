"""Third parties known by the client library an app imports, each with an address that answers."""

from __future__ import annotations

# Import name -> (what its host or a check's name has in it, an address of its API)
CLIENTS: dict[str, tuple[tuple[str, ...], str]] = {
    "stripe": (("stripe",), "https://api.stripe.com/"),
    "twilio": (("twilio",), "https://api.twilio.com/"),
    "sendgrid": (("sendgrid",), "https://api.sendgrid.com/"),
    "boto3": (("amazonaws", "aws", "s3"), "https://sts.amazonaws.com/"),
    "aioboto3": (("amazonaws", "aws", "s3"), "https://sts.amazonaws.com/"),
    "slack_sdk": (("slack",), "https://slack.com/api/api.test"),
    "openai": (("openai",), "https://api.openai.com/"),
    "anthropic": (("anthropic",), "https://api.anthropic.com/"),
    "mailgun": (("mailgun",), "https://api.mailgun.net/"),
    "mailjet_rest": (("mailjet",), "https://api.mailjet.com/"),
    "postmarker": (("postmark",), "https://api.postmarkapp.com/"),
    "resend": (("resend",), "https://api.resend.com/"),
    "paypalrestsdk": (("paypal",), "https://api-m.paypal.com/"),
    "paypalcheckoutsdk": (("paypal",), "https://api-m.paypal.com/"),
    "paypalserversdk": (("paypal",), "https://api-m.paypal.com/"),
    "braintree": (("braintree",), "https://api.braintreegateway.com/"),
    "mollie": (("mollie",), "https://api.mollie.com/"),
    "gocardless_pro": (("gocardless",), "https://api.gocardless.com/"),
    "plaid": (("plaid",), "https://production.plaid.com/"),
    "github": (("github",), "https://api.github.com/"),
    "googlemaps": (("googleapis", "googlemaps"), "https://maps.googleapis.com/"),
    "hubspot": (("hubspot", "hubapi"), "https://api.hubapi.com/"),
}
# An address of one's own given to a client: then it cannot be told whom it talks to.
OWN_ADDRESS = ("endpoint_url", "base_url", "api_base", "host")
_NOBODYS = (
    "local", "localhost", "internal", "lan", "test", "example", "invalid", "svc", "home.arpa",
    "example.com", "example.org", "example.net",
)  # fmt: skip
_COMPOUND = frozenset({"co", "com", "org", "net", "ac", "gov", "edu"})


def token(host: str) -> str:
    """Return what names the owner of a host: `stripe` of `api.stripe.com`, `bbc` of `www.bbc.co.uk`."""
    parts = host.lower().strip(".").split(".")
    if len(parts) > 2 and len(parts[-1]) == 2 and parts[-2] in _COMPOUND:
        return parts[-3]
    return parts[-2] if len(parts) > 1 else parts[0]


def is_elsewhere(host: str) -> bool:
    """Whether a host certainly is somebody else's: neither this machine, nor a private name or an example."""
    if "." not in host or host.replace(".", "").isdigit():
        return False
    return not any(host == name or host.endswith(f".{name}") for name in _NOBODYS)
