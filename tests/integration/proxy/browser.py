"""What a browser does, as far as a proxy can spoil it: cookies by path and Secure, forms, links."""

import http.client
import http.cookiejar
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

Headers = dict[str, str]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **options: Any) -> None:
        """Answer the redirect itself."""


@dataclass
class Page:
    """One answer."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def location(self) -> str:
        return self.headers["Location"]

    @property
    def csrf(self) -> str:
        """The token of the page's first form."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.text)
        assert found, self.text[:300]
        return found[1]

    @property
    def links(self) -> set[str]:
        """Every address on this site that the page names."""
        found = re.findall(r'\b(?:href|src|action|hx-get|hx-post)="(/[^"#]*)', self.text)
        return {each.replace("&amp;", "&") for each in found}


@dataclass
class Browser:
    """Of one site: ``origin`` such as ``https://127.0.0.1:4443``, borgui under ``prefix``."""

    origin: str
    prefix: str = ""
    certificate: str | None = None
    jar: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)

    def __post_init__(self) -> None:
        handlers: list[Any] = [_NoRedirects(), urllib.request.HTTPCookieProcessor(self.jar)]
        if self.certificate:
            context = ssl.create_default_context(cafile=self.certificate)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def open(
        self, path: str, data: bytes | None = None, headers: Headers | None = None
    ) -> http.client.HTTPResponse:
        """Ask for an address of the host; the answer is still to be read."""
        address = urllib.parse.urljoin(self.origin, path)
        request = urllib.request.Request(address, data, headers or {})
        answer: http.client.HTTPResponse = self._opener.open(request, timeout=20)
        return answer

    def visit(self, path: str, data: bytes | None = None, headers: Headers | None = None) -> Page:
        """Ask for an address as it stands in a page or a Location; redirects are not followed."""
        try:
            with self.open(path, data, headers) as answer:
                return Page(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Page(error.code, error.headers, error.read().decode())

    def get(self, path: str, headers: Headers | None = None) -> Page:
        """A page of borgui's."""
        return self.visit(f"{self.prefix}{path}", headers=headers)

    def submit(self, path: str, fields: Headers, headers: Headers | None = None) -> Page:
        """Post a form to a page of borgui's."""
        return self.visit(f"{self.prefix}{path}", urllib.parse.urlencode(fields).encode(), headers)

    def sign_in(self, username: str, password: str, next_: str = "") -> Page:
        """Through the form, as a person does."""
        form = self.get("/login")
        given = {"csrf_token": form.csrf, "username": username, "password": password}
        return self.submit("/login", {**given, "next": next_})
