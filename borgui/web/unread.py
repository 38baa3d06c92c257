"""The rest of a request's body that nobody has read: taken in before the answer goes out.

gunicorn takes in 64 KiB of it and then resets the connection. Who still sends, a proxy above all,
would see a failure (502) in place of our 401, 403, 413 or 422.
"""

from flask import Flask, Response, request

MOST = 8 * 1024 * 1024
"""Bytes taken in; who sends more is cut off after all."""
PIECE = 64 * 1024


def init_app(app: Flask) -> None:
    """Take in what is left at the end of every request of ``app``."""
    app.after_request(_take_in)


def _take_in(response: Response) -> Response:
    length = request.content_length
    has_body = (length is None and "Transfer-Encoding" in request.headers) or (length or 0) > PIECE
    # Only where the server ends the stream with the body: elsewhere a read would wait for ever.
    if not has_body or not request.environ.get("wsgi.input_terminated"):
        return response
    stream, taken = request.environ["wsgi.input"], 0
    try:
        while taken < MOST and (data := stream.read(PIECE)):
            taken += len(data)
    except OSError:
        return response  # the client has gone: nobody waits for the answer either
    return response
