"""The VO's web pages, for its managers and its members: a Flask application that logs nobody in and decides nothing by itself."""
