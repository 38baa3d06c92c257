"""An empty Flask view with one Redis HGETALL, served as the product is: what pages may cost.

``python -m tests.bench.baseline REDIS_URL PORT DATA_DIR``
"""

import sys
from pathlib import Path

from flask import Flask

from borgui import live
from borgui.config import Config
from borgui.web import server

JOB = 1_000_000
"""The job whose live hash is read: one that no row knows."""


def main(url: str, port: str, data_dir: str) -> None:
    """Serve until told to stop."""
    app = Flask(__name__)
    redis = live.connect(url)

    @app.get("/")
    def read() -> str:
        return str(len(redis.hgetall(live.job_key(JOB))))

    server.serving(app, Config(data_dir=Path(data_dir), port=int(port)))()


if __name__ == "__main__":
    main(*sys.argv[1:])
