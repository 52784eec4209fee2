"""JupyterLab with this clone's kernel in a headless Chromium."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
LOADED = 60_000  # milliseconds


def find_chromium():
    """The browser: NOISEBOOK_CHROMIUM, or one on the path."""
    names = [os.environ.get("NOISEBOOK_CHROMIUM") or "chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, map(shutil.which, names)), None)
    return found or sys.exit("no browser: install chromium, or name one in NOISEBOOK_CHROMIUM")


@contextmanager
def lab(notebooks, theme="light"):
    """A JupyterLab on copies of notebooks; gives the function that opens one of them as a page."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root, settings = Path(folder, "root"), Path(folder, "settings")
        root.mkdir()
        for notebook in notebooks:
            shutil.copy(notebook, root)
        themes = settings / "@jupyterlab" / "apputils-extension"
        themes.mkdir(parents=True)
        name = "JupyterLab Dark" if theme == "dark" else "JupyterLab Light"
        (themes / "themes.jupyterlab-settings").write_text(json.dumps({"theme": name}))
        (themes / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0", "--ServerApp.token="]
        command += [f"--ServerApp.root_dir={root}", f"--LabApp.user_settings_dir={settings}"]
        command += [f"--LabApp.workspaces_dir={folder}/workspaces", "--ServerApp.disable_check_xsrf=True"]
        environment = dict(os.environ, JUPYTER_DATA_DIR=f"{folder}/data")
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        try:
            address = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+|http://localhost:\d+", line) for line in server.stderr)))[0]
            # Nobody reads further lines, and a full pipe would stop the server.
            subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            context = browser.new_context(viewport={"width": 1280, "height": 1000}, device_scale_factor=1)

            def open_notebook(name):
                page = context.new_page()
                # Without the file browser beside it.
                page.goto(f"{address}/lab/tree/{name}?reset")
                page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=LOADED)
                return page

            yield open_notebook
            browser.close()
        finally:
            server.terminate()
            server.wait()


def run_all(page):
    """Runs every cell, from the menu."""
    page.click("text=Run >> nth=0")
    page.click(".lm-Menu-item:has-text('Run All Cells') >> nth=0")
