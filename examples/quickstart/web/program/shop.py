"""Serves one page, with the greeting from the settings and the process that answered. Usage: shop.py PORT"""

import configparser
import os
import string
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

settings = configparser.ConfigParser()
settings.read("settings.ini", encoding="utf-8")


class Shop(BaseHTTPRequestHandler):
    """Answers every request with the page as it lies in the folder now."""

    def do_GET(self) -> None:
        template = string.Template(Path("site/index.html").read_text(encoding="utf-8"))
        page = template.safe_substitute(greeting=settings["shop"]["greeting"], process=os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing of each request: readiness asks all the time."""


print(f"serving on port {sys.argv[1]}", flush=True)
HTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
