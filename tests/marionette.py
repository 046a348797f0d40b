"""Firefox for Selenium, without geckodriver, which Debian has not: WebDriver in Firefox's own protocol, Marionette."""
import itertools
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.remote.file_detector import UselessFileDetector

# By the names of selenium.webdriver.remote.command; the names on the right are WebDriver's own.
COMMANDS = {
    "newSession": "NewSession", "get": "Navigate", "getCurrentUrl": "GetCurrentURL", "w3cExecuteScript": "ExecuteScript",
    "findElement": "FindElement", "findElements": "FindElements", "findChildElement": "FindElement",
    "findChildElements": "FindElements", "w3cGetActiveElement": "GetActiveElement", "clickElement": "ElementClick",
    "sendKeysToElement": "ElementSendKeys", "clearElement": "ElementClear", "getElementText": "GetElementText",
    "getElementTagName": "GetElementTagName", "getElementAttribute": "GetElementAttribute",
    "getElementProperty": "GetElementProperty", "getElementRect": "GetElementRect", "isElementEnabled": "IsElementEnabled",
    "isElementSelected": "IsElementSelected", "actions": "PerformActions", "screenshot": "TakeScreenshot",
    "setWindowRect": "SetWindowRect",
}


class Marionette:
    """What webdriver.Remote takes for a connection. A message is its length, a colon, and JSON: a command is
    [0, number, command, parameters], and its answer [1, number, error, result]."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.numbers = itertools.count()
        self.receive()  # who is there

    def receive(self):
        size = b""
        while (byte := self.socket.recv(1)) != b":":
            if not byte:
                raise WebDriverException("Firefox has ended")
            size += byte
        message = b""
        while len(message) < int(size):
            message += self.socket.recv(int(size) - len(message))
        return json.loads(message)

    def ask(self, command, parameters):
        message = json.dumps([0, next(self.numbers), command, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self.receive()
        if error:
            raise WebDriverException(error["message"])
        return result

    def execute(self, command, parameters):
        parameters = {key: value for key, value in parameters.items() if key != "sessionId"}
        if "id" in parameters and command.startswith("findChild"):
            parameters["element"] = parameters.pop("id")
        if command == "screenshot":
            parameters["full"] = False  # the window, not the whole of its page
        result = self.ask("WebDriver:" + COMMANDS[command], parameters)
        return {"value": result["value"] if isinstance(result, dict) and "value" in result else result}


class Firefox(webdriver.Remote):
    """Headless, in a profile of its own. `preferences`: as in about:config."""

    def __init__(self, preferences):
        self.profile = pathlib.Path(tempfile.mkdtemp())
        preferences = {"marionette.port": 0, "datareporting.policy.dataSubmissionEnabled": False, **preferences}
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
        (self.profile / "user.js").write_text("".join(lines))
        self.process = subprocess.Popen(
            ["firefox-esr", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote",
             "--profile", self.profile],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            super().__init__(Marionette(self.port()), file_detector=UselessFileDetector(),
                             options=webdriver.FirefoxOptions())
        except BaseException:
            self.quit()
            raise

    def port(self):
        file = self.profile / "MarionetteActivePort"
        for _ in range(600):
            if file.exists() and (port := file.read_text().strip()):
                return int(port)
            time.sleep(0.1)
        raise WebDriverException("Firefox does not start")

    def execute_in_firefox(self, script, *arguments):
        """As execute_script, in the window of Firefox itself."""
        ask = self.command_executor.ask
        ask("Marionette:SetContext", {"value": "chrome"})
        try:
            return ask("WebDriver:ExecuteScript", {"script": script, "args": arguments})["value"]
        finally:
            ask("Marionette:SetContext", {"value": "content"})

    def quit(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)
