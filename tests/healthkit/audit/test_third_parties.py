"""Third parties that the app relies on."""

from __future__ import annotations

import pytest

from tests.healthkit.audit.samples import Sample

WEB = """
from flask import Flask
from healthkit import Health
from healthkit.checks.http import ThirdPartyAPI
from healthkit.checks.outbound import OutboundCalls
from healthkit.checks.status_page import StatusPage
from healthkit_flask import HealthKit
app, health = Flask(__name__), Health("x")
HealthKit(app, health)
"""


@pytest.mark.parametrize(
    "code",
    [
        "import requests\nrequests.get('https://a.one.io/v1')  # gap: HK006",
        "import requests\nrequests.request('GET', 'https://a.one.io')  # gap: HK006",
        "import requests\ns = requests.Session()\ns.post('https://a.one.io/x')  # gap: HK006",
        "import requests\nB = 'https://a.one.io'\ndef f(x):\n    requests.get(f'{B}/{x}')  # gap: HK006",
        "import requests\nBASE = 'https://a.one.io'\ndef f(x):\n    requests.get(BASE + x)",
        "import os, requests\nB = os.getenv('B', 'https://a.one.io')\nrequests.get(B + '/x')  # gap: HK006",
        "import requests\ndef f(BASE):\n    requests.get(BASE)\nBASE = 'https://a.one.io'",
        "import httpx\nasync def f(c: httpx.AsyncClient):\n    c.get('https://a.one.io/')  # gap: HK006",
        "import httpx\nwith httpx.Client() as c:\n    c.get('https://a.one.io/')  # gap: HK006",
        "import httpx\nc = httpx.Client(base_url='https://a.one.io')  # gap: HK006",
        "import aiohttp\nasync def f():\n    async with aiohttp.ClientSession() as s:\n"
        "        await s.get('https://a.one.io/')  # gap: HK006",
        "from urllib.request import urlopen\nurlopen('https://a.one.io/')  # gap: HK006",
        "import requests\nrequests.get('https://a.one.io/')  # gap: HK006\nrequests.get('https://b.one.io/')",
        "import requests\nrequests.get('http://localhost:8000/')\nrequests.get('http://stock:8000/')",
        "import requests\nrequests.get('http://10.1.2.3/')\nrequests.get('https://shop.internal/')",
        "import requests\nrequests.get('https://example.com/')\nrequests.get('https://hc-ping.com/1')",
        "import requests\ndef f(t):\n    requests.get(f'https://{t}.one.io/')\n    requests.get(t)",
        "cache = {}\ncache.get('https://a.one.io/')",
        "import stripe\nimport requests\nrequests.get('https://api.stripe.com/v1')  # gap: HK006",
        "import boto3  # gap: HK006\nboto3.client('s3')",
        "import boto3\nboto3.client('s3', endpoint_url='http://minio:9000')",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import stripe",
    ],
)
def test_hosts_called_and_clients_imported_want_a_check(sample: Sample, code: str) -> None:
    sample.texts_agree({"app.py": WEB, "calls.py": f"{code}\n"})


@pytest.mark.parametrize(
    "check",
    [
        "health.add(ThirdPartyAPI('stripe', 'https://status.example.com/'))",
        "health.add(ThirdPartyAPI('payments', 'https://api.stripe.com/'))",
        "health.add(StatusPage('payments', 'https://www.stripestatus.com'))",
        "health.add(OutboundCalls())",
        "@health.check('stripe')\ndef payments():\n    return health.service == 'x'",
        "URL = 'https://api.stripe.com'\ndef later():\n    health.add(ThirdPartyAPI('payments', URL))",
    ],
)
def test_any_check_on_the_party_will_do(sample: Sample, check: str) -> None:
    sample.texts_agree({"app.py": f"{WEB}{check}\n", "calls.py": "import stripe\n"})


def test_the_tests_of_a_project_are_not_the_app(sample: Sample) -> None:
    call = "import requests\nrequests.get('https://a.one.io/')\n"
    sample.texts_agree({"app.py": WEB, "tests/calls.py": call, "test_calls.py": call, ".venv/calls.py": call})


def test_the_fix_is_a_check_that_can_be_registered(sample: Sample) -> None:
    from healthkit import Health
    from healthkit.checks.http import ThirdPartyAPI

    [one] = sample.reads({"app.py": WEB, "calls.py": "import stripe\n"})
    health = Health("x")
    exec(one.fix, {"health": health, "ThirdPartyAPI": ThirdPartyAPI})
    assert [check.key for check in health.checks] == ["stripe:responseTime"]
