"""A browser as far as the bench needs one: a session cookie and a kept connection."""

import http.client
import re
import time
import urllib.parse

from tests.integration.product import PASSWORD, Product


class Browser:
    """Signed in as the admin; one connection, kept open."""

    def __init__(self, product: Product, cookie: str | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=30)
        self.cookie = cookie or ""
        if cookie is None:
            self._sign_in()

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and body."""
        self._connection.request("GET", path, headers={"Cookie": self.cookie, **headers})
        answer = self._connection.getresponse()
        self._take_cookie(answer)
        return answer.status, answer.read().decode()

    def seconds(self, path: str, **headers: str) -> float:
        """How long a GET takes until its body is read."""
        began = time.monotonic()
        status, _ = self.get(path, **headers)
        assert status == 200, (path, status)
        return time.monotonic() - began

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _sign_in(self) -> None:
        self._connection.request("GET", "/login")
        answer = self._connection.getresponse()
        page = answer.read().decode()
        self._take_cookie(answer)
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found, page[:500]
        form = {"csrf_token": found[1], "username": "admin", "password": PASSWORD}
        self._connection.request(
            "POST",
            "/login",
            urllib.parse.urlencode(form),
            {"Content-Type": "application/x-www-form-urlencoded", "Cookie": self.cookie},
        )
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status in (302, 303), answer.status
        self._take_cookie(answer)

    def _take_cookie(self, answer: http.client.HTTPResponse) -> None:
        for value in answer.headers.get_all("Set-Cookie") or ():
            self.cookie = value.partition(";")[0]
