"""Pages, one file an area; :mod:`borgui.web.pages` ties them to the application."""
