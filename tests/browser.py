"""Headless Chromium for the tests of pages: a browser that notes what is asked of other hosts, and takes pictures."""
import base64
import json
import re
import subprocess
import sys
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

failures = []


def check(is_true, what):
    print(("ok      " if is_true else "FAILED  ") + what, flush=True)
    if not is_true:
        failures.append(what)


def wait(condition, what, seconds=240):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise TimeoutError(f"{what}: nothing within {seconds} s")


class Server:
    def __init__(self, *command):
        self.process = subprocess.Popen([sys.executable, "-u", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = re.search(r"http://[\d.]+:\d+/", self.process.stdout.readline())[0].replace("0.0.0.0", "127.0.0.1")

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Browser:
    """`out`: the folder that pictures go to."""

    def __init__(self, out):
        self.out = out
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "hide-scrollbars", "window-size=1280,1000"):
            options.add_argument("--" + argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.browser = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)

    def command(self, name, **parameters):
        return self.browser.execute_cdp_cmd(name, parameters)

    def open(self, url):
        self.browser.get(url)

    def find(self, selector, within=None):
        return (within or self.browser).find_element(By.CSS_SELECTOR, selector)

    def picture(self, name, width, height, scheme="light"):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        time.sleep(0.3)
        data = self.command("Page.captureScreenshot", format="png")["data"]
        (self.out / f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(data))
        return self.browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")

    def pictures(self, name):
        for width, height in ((360, 740), (800, 1000), (2000, 1200)):
            for scheme in ("light", "dark"):
                check(self.picture(name, width, height, scheme), f"{name} at {width} pixels, {scheme}: nothing is cut off")
        self.command("Emulation.clearDeviceMetricsOverride")

    def hosts_asked(self):
        hosts = set()
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                url = message["params"].get("request", message["params"])["url"]
                if not url.startswith(("blob:", "data:")):
                    hosts.add("/".join(url.split("/")[:3]) + "/")
        return hosts

    def complaints(self):
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
