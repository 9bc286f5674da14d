"""HTTP clients for Python, with their defaults and a timeout of two seconds.

    python3 clients.py                            prints the name and the title of each
    python3 clients.py <name> <method> <url> ...  sends all requests at the same time

For each request that has ended it prints the URL and what the caller sees. A client
that is not installed is not listed.
"""

import importlib
import os
import sys
import threading

TIMEOUT = 2
ORDER = {"item": "tea"}


def requests(method, url, retries=None):
    import requests as lib
    from requests.adapters import HTTPAdapter

    session = lib.Session()
    if retries is not None:
        session.mount("http://", HTTPAdapter(max_retries=retries))
    json = ORDER if method == "POST" else None
    session.request(method, url, json=json, timeout=TIMEOUT).raise_for_status()


def requests_retry(method, url):
    from urllib3.util import Retry

    requests(method, url, Retry(3, backoff_factor=0.5, status_forcelist=[500, 502, 503, 504]))


def urllib3(method, url):
    import urllib3 as lib

    body = b'{"item": "tea"}' if method == "POST" else None
    reply = lib.PoolManager().request(method, url, body=body, timeout=TIMEOUT)
    if reply.status >= 400:
        raise OSError(f"status {reply.status}")


def tenacity(method, url):
    import tenacity as lib

    attempts = lib.stop_after_attempt(4)
    lib.retry(stop=attempts, wait=lib.wait_random_exponential())(requests)(method, url)


def httpx(method, url):
    import httpx as lib

    json = ORDER if method == "POST" else None
    lib.Client(timeout=TIMEOUT).request(method, url, json=json).raise_for_status()


def aiohttp(method, url):
    import asyncio

    import aiohttp as lib

    async def send():
        async with lib.ClientSession(timeout=lib.ClientTimeout(total=TIMEOUT)) as session:
            json = ORDER if method == "POST" else None
            async with session.request(method, url, json=json) as reply:
                await reply.text()
                reply.raise_for_status()

    asyncio.run(send())


def boto3(_, url, mode="standard"):
    import boto3 as lib
    from botocore.config import Config

    config = Config(retries={"mode": mode}, read_timeout=TIMEOUT, connect_timeout=TIMEOUT)
    session = lib.session.Session("test", "test", region_name="us-east-1")
    session.client("dynamodb", endpoint_url=url, config=config).list_tables()


# The package, how it is set up, and the client. boto3 sends POST only.
CLIENTS = {
    "requests": ("requests", "", requests),
    "requests-max-retries": ("requests", "`max_retries=3`", lambda m, u: requests(m, u, 3)),
    "requests-retry": ("requests", "`Retry(3, backoff_factor=0.5, status_forcelist=[500, 502, 503, 504])`", requests_retry),
    "urllib3": ("urllib3", "`PoolManager`", urllib3),
    "httpx": ("httpx", "", httpx),
    "aiohttp": ("aiohttp", "", aiohttp),
    "tenacity": ("tenacity", "`wait_random_exponential()`, 4 attempts, with requests", tenacity),
    "boto3": ("boto3", "`standard`, DynamoDB", boto3),
    "boto3-legacy": ("boto3", "`legacy`, DynamoDB", lambda m, u: boto3(m, u, "legacy")),
}


def titles():
    from importlib.metadata import version

    for name, (package, setup, _) in CLIENTS.items():
        try:
            importlib.import_module(package)
        except ImportError:
            continue
        only = "POST" if package == "boto3" else ""
        title = ", ".join(filter(None, [f"{package} {version(package)}", setup]))
        print(name, title, only, sep="\t")


def call(client, method, url):
    try:
        client(method, url)
        outcome = "ok"
    except Exception as err:
        outcome = type(err).__name__
    os.write(1, f"{url} {outcome}\n".encode())


def main():
    if len(sys.argv) < 2:
        return titles()
    client = CLIENTS[sys.argv[1]][2]
    importlib.import_module(CLIENTS[sys.argv[1]][0])
    for method, url in zip(sys.argv[2::2], sys.argv[3::2]):
        threading.Thread(target=call, args=(client, method, url)).start()


main()
