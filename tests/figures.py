#!/usr/bin/python3
"""The book of tools/book.sh in headless Chromium: its pages, its search, and its live figures.

figures.py BOOK OUT

Each figure has to draw, and to react to keys and to the mouse; what it says is compared with numbers made here. Nothing may be
asked of another host, and nothing cut off in narrow windows or in wide ones. Pictures are left in OUT.
"""
import math
import pathlib
import re
import sys

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Chromium, Server, check, failures, wait

book, out = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])

CHAPTERS = {"receptive-field": "04-convolution", "search": "10-patch-search", "softmax": "11-contrastive-losses", "rain": "13-synthetic-rain"}

COLOURS = """
const canvas = arguments[0], { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
return new Set(new Uint32Array(data.buffer)).size;
"""


class Figure:
    def __init__(self, browser, name):
        self.browser, self.name = browser, name
        self.node = browser.find(f"figure[data-figure={name}]")
        wait(lambda: self.node.get_attribute("data-drawn"), f"{name}: drawn")
        self.canvas = browser.find("canvas", self.node)
        self.controls = {label.find_element(By.TAG_NAME, "span").text: label.find_element(By.TAG_NAME, "input")
                         for label in self.node.find_elements(By.TAG_NAME, "label")}
        browser.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.node)

    def drawn(self):
        return int(self.node.get_attribute("data-drawn"))

    def after(self, act):
        """Acts, and waits until it has been drawn."""
        before = self.drawn()
        act()
        wait(lambda: self.drawn() > before, f"{self.name}: drawn again")

    def key(self, control, key):
        self.after(lambda: self.controls[control].send_keys(key))

    def set(self, control, value):
        self.after(lambda: self.browser.browser.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', { bubbles: true }))", self.controls[control], value))

    def value(self, control):
        return float(self.controls[control].get_property("value"))

    def press(self, x, y):
        """At a part of the canvas."""
        size = self.canvas.size
        self.after(lambda: ActionChains(self.browser.browser).move_to_element_with_offset(
            self.canvas, (x - 0.5) * size["width"], (y - 0.5) * size["height"]).click().perform())

    def said(self):
        return self.browser.find(".said", self.node).text

    def picture(self):
        return self.browser.browser.execute_script("return arguments[0].toDataURL()", self.canvas)

    def reacts(self, control, key=Keys.ARROW_RIGHT):
        picture, said = self.picture(), self.said()
        self.key(control, key)
        check(self.picture() != picture, f"{self.name}: a key at {control} changes the picture")
        check(self.said() != said, f"{self.name}: and what is said: {self.said()}")


def receptive_field(figure):
    figure.reacts("Convolutions")
    line = [1]
    for _ in range(4):  # convolutions with (1, 1, 1)
        line = [sum(line[max(0, i - 2):i + 1]) for i in range(len(line) + 2)]
    percent = 100 * (max(line) / 81) ** 2
    said = re.match(r"(\d+) x (\d+) pixels; .* has ([\d.]+) %", figure.said())
    check(said and said.group(1, 2) == ("9", "9") and abs(float(said[3]) - percent) < 0.01, f"four convolutions: 9 x 9, {percent:.2f} % in the middle")
    figure.press(0.1, 0.9)
    check((figure.value("Column"), figure.value("Row")) == (4, 36), "the mouse moves the output pixel")


def search(figure):
    figure.reacts("Column")
    figure.reacts("Matches", Keys.ARROW_LEFT)
    figure.press(0.25, 0.75)
    check(abs(figure.value("Column") - 72) <= 1 and abs(figure.value("Row") - 144) <= 1, "the mouse moves the query")
    said = re.match(r"Nearest: row (\d+), column (\d+), d = ([\d.]+). Farthest of these: d = ([\d.]+).", figure.said())
    check(said and 0 < float(said[3]) <= float(said[4]), f"matches are sorted: {figure.said()}")


def softmax(figure):
    figure.reacts("Query")
    figure.reacts("Temperature")
    weights = lambda: [float(item.find_elements(By.TAG_NAME, "span")[-1].text) for item in figure.node.find_elements(By.CSS_SELECTOR, ".bars li")]
    for angle, heat in ((40, -0.5), (-100, 0.3), (120, -2)):
        figure.set("Query", angle)
        figure.set("Temperature", heat)
        exponentials = [math.exp(math.cos(math.radians(angle - key)) / 10 ** heat) for key in (90, 55, 150, 215, 330)]
        worst = max(abs(w - e / sum(exponentials)) for w, e in zip(weights(), exponentials))
        check(worst < 0.001, f"the softmax at {angle} degrees and {10 ** heat:.2f}: {weights()}")


def rain(figure):
    figure.reacts("Density")
    figure.reacts("Seed")
    figure.set("Density", 0)
    figure.set("Veil", 0)
    check(figure.said() == "As dry as before.", "no drops and no veil: as dry as before")


def find_words(browser):
    field = browser.find("#search")
    field.send_keys("Philox")
    wait(lambda: browser.browser.find_elements(By.CSS_SELECTOR, "#found a"), "something found")
    check(browser.find("#found a").text.startswith("2. Tensors: Random numbers"), "the search finds Philox in chapter 2")
    field.send_keys(Keys.ENTER)
    wait(lambda: browser.browser.current_url.endswith("02-tensors.html#random-numbers"), "the page that was found")
    browser.find("body").send_keys("/")
    check(browser.browser.switch_to.active_element.get_attribute("id") == "search", "a slash goes to the search")
    browser.find("#search").send_keys("qwertzuiop")
    wait(lambda: browser.find("#found .none"), "nothing found")
    browser.find("#search").send_keys(Keys.ESCAPE)
    check(not browser.find("#found").is_displayed(), "Escape closes it")


def main():
    out.mkdir(parents=True, exist_ok=True)
    browser = Chromium(out)
    tests = {"receptive-field": receptive_field, "search": search, "softmax": softmax, "rain": rain}
    try:
        with Server("-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", book) as url:
            browser.open(url)
            find_words(browser)
            for name, test in tests.items():
                browser.open(f"{url}{CHAPTERS[name]}.html")
                figure = Figure(browser, name)
                check(browser.browser.execute_script(COLOURS, figure.canvas) > 3, f"{name}: draws")
                test(figure)
            for page in ("index", "05-instance-norm", "results", "answers/03-tape", "source/include/nlcl/autograd/tape.hpp"):
                browser.open(f"{url}{page}.html")
                browser.pictures(page.replace("/", "-"))
            for name in tests:
                browser.open(f"{url}{CHAPTERS[name]}.html")
                Figure(browser, name)
                browser.pictures(name)
            check(browser.hosts_asked() == {url}, "nothing is asked of another host")
            check(not (complaints := browser.complaints()), f"no complaints in the console {complaints}")
        browser.open((book / "04-convolution.html").as_uri())
        check(Figure(browser, "receptive-field").said().startswith("7 x 7"), "the figures are alive in files on a disk, too")
    finally:
        browser.browser.quit()
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
