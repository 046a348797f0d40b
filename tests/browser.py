"""Headless browsers for the tests of pages: they note what is asked of other hosts, and take pictures."""
import json
import pathlib
import re
import subprocess
import sys
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

import marionette

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
        self.process = subprocess.Popen([sys.executable, "-u", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        self.url = re.search(r"http://[\d.]+:\d+/", self.process.stdout.readline())[0].replace("0.0.0.0", "127.0.0.1")

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def peak_memory(process):
    """The most that one process of this one and those below it took, in MiB."""
    folder = pathlib.Path(f"/proc/{process}")
    peak = int(re.search(r"VmHWM:\s+(\d+)", (folder / "status").read_text())[1]) // 1024
    below = [child for thread in (folder / "task").iterdir() for child in (thread / "children").read_text().split()]
    return max([peak, *map(peak_memory, below)])


class Browser:
    """What the tests do with any browser. `browser` is Selenium's; pictures go to the folder `out`, and what is saved to
    `out`/saved."""

    def __init__(self, out):
        self.out = out

    def open(self, url):
        self.browser.get(url)

    def find(self, selector, within=None):
        return (within or self.browser).find_element(By.CSS_SELECTOR, selector)

    def picture(self, name, width, height, scheme="light"):
        self.show(width, height, scheme)
        wait(lambda: self.browser.execute_script("return innerWidth") == width, "a window of another size", 10)
        time.sleep(0.3)
        self.browser.save_screenshot(str(self.out / f"{name}-{width}-{scheme}.png"))
        return self.browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")

    def pictures(self, name):
        for width, height in ((360, 740), (800, 1000), (2000, 1200)):
            for scheme in ("light", "dark"):
                check(self.picture(name, width, height, scheme), f"{name} at {width} pixels, {scheme}: nothing is cut off")
        self.show(*self.usual)

    usual = 1280, 1000, "light"


class Chromium(Browser):
    def __init__(self, out):
        super().__init__(out)
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "hide-scrollbars"):
            options.add_argument("--" + argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        service = Service("/usr/bin/chromedriver")
        self.browser = webdriver.Chrome(service=service, options=options)
        self.process = service.process.pid
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(out / "saved"))
        self.show(*self.usual)

    def command(self, name, **parameters):
        return self.browser.execute_cdp_cmd(name, parameters)

    def show(self, width, height, scheme):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=width < 500)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def set_cores(self, count):
        self.command("Emulation.setHardwareConcurrencyOverride", hardwareConcurrency=count)

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


class Firefox(Browser):
    WATCH = """
window.asked = [];
window.watcher = { observe(channel) {
  channel.QueryInterface(Ci.nsIHttpChannel);
  if (!channel.loadInfo.triggeringPrincipal.isSystemPrincipal) asked.push(channel.URI.prePath + '/');
} };
Services.obs.addObserver(window.watcher, 'http-on-modify-request');
"""
    SHOW = """
const [width, height, scheme] = arguments, { style, browsingContext } = gBrowser.selectedBrowser;
style.width = style.minWidth = style.maxWidth = `${width}px`;
style.height = style.minHeight = style.maxHeight = `${height}px`;
browsingContext.top.prefersColorSchemeOverride = scheme;
"""
    COMPLAINTS = """
return Services.console.getMessageArray()
    .filter((message) => message instanceof Ci.nsIScriptError && message.sourceName.startsWith(arguments[0]))
    .map((message) => message.errorMessage);
"""

    def __init__(self, out):
        super().__init__(out)
        self.browser = marionette.Firefox({"browser.download.dir": str(out / "saved"), "browser.download.folderList": 2})
        self.process = self.browser.process.pid
        self.browser.execute_in_firefox(self.WATCH)

    def open(self, url):
        super().open(url)
        self.url = url
        self.show(*self.usual)

    def show(self, width, height, scheme):
        self.browser.set_window_size(max(width, 500), height + 200)  # it has bars, and cannot be narrower
        self.browser.execute_in_firefox(self.SHOW, width, height, scheme)

    def set_cores(self, count):
        self.browser.execute_in_firefox("Services.prefs.setIntPref('dom.maxHardwareConcurrency', arguments[0])", count)

    def hosts_asked(self):
        return set(self.browser.execute_in_firefox("return window.asked"))

    def complaints(self):
        return self.browser.execute_in_firefox(self.COMPLAINTS, self.url)
