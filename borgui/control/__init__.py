"""The one process that admits and finishes jobs. It never runs borg and never waits on a network."""
