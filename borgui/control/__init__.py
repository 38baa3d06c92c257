"""The one process that admits and finishes jobs. It runs no borg and awaits no network."""
