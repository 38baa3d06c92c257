"""For gunicorn and its kind: ``gunicorn wsgi:app``."""

from borgui import create_app

app = create_app()
