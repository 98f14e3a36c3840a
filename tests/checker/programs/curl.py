"""What the documentation uses of curl, for machines that have none; ends with 22 as `curl -f` does."""

from __future__ import annotations

import argparse
import base64
import sys
import urllib.error
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("-f", "-s", "-S", "-fsS", action="store_true", dest="quiet")
parser.add_argument("-m", type=float, default=30.0)
parser.add_argument("-X", dest="method")
parser.add_argument("-H", dest="headers", action="append", default=[])
parser.add_argument("-u", dest="user")
parser.add_argument("--retry")
parser.add_argument("--json")
parser.add_argument("--data-binary", dest="data")
parser.add_argument("url")
given = parser.parse_args()
headers = {name: value.strip() for name, _, value in (each.partition(":") for each in given.headers)}
body = given.json if given.json is not None else given.data
data = None if body is None else sys.stdin.buffer.read() if body == "@-" else body.encode()
if given.json is not None:
    headers["Content-Type"] = "application/json"
if given.user:
    headers["Authorization"] = f"Basic {base64.b64encode(given.user.encode()).decode()}"
request = urllib.request.Request(given.url, data, headers, method=given.method)
try:
    with urllib.request.urlopen(request, timeout=given.m) as response:
        sys.stdout.buffer.write(response.read())
except urllib.error.HTTPError as error:
    print(f"curl: (22) The requested URL returned error: {error.code}", file=sys.stderr)
    sys.exit(22)
