#!/usr/bin/python3
"""The page of tools/web in headless Chromium or Firefox, as somebody uses it.

web.py PAGE NLCL-DERAIN OUT [--firefox] [--measure]

Photographs are dropped, chosen and taken from the sample; what is saved is compared with what the program writes, and no
level may differ by more than one. Nothing may be asked of another host. Screenshots and files are left in OUT. --measure
also takes 512 x 512 pixels on one core and on two, here and in the program, and a photograph of 12 megapixels.
"""
import argparse
import base64
import pathlib
import re
import subprocess
import sys

from PIL import Image, ImageChops, ImageCms
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from browser import Chromium, Firefox, Server, check, failures, peak_memory, wait

arguments = argparse.ArgumentParser()
for path in ("page", "program", "out"):
    arguments.add_argument(path, type=lambda text: pathlib.Path(text).resolve())
arguments.add_argument("--firefox", action="store_true")
arguments.add_argument("--measure", action="store_true")
arguments = arguments.parse_args()
page, program, out = arguments.page, arguments.program, arguments.out
patience = 900 if arguments.measure else 240  # seconds for one photograph, on a busy machine

DROP = """
const [name, type, data] = arguments, transfer = new DataTransfer();
transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
"""


def derain(*arguments):
    subprocess.run([program, *arguments, "--device", "cpu", "--quiet"], check=True)


def difference(a, b):
    """The largest difference of a level, 256 for pictures of another size or kind."""
    with Image.open(a) as x, Image.open(b) as y:
        if x.size != y.size or x.mode != y.mode:
            return 256
        extrema = ImageChops.difference(x, y).getextrema()
        return max(high for _, high in (extrema if isinstance(extrema[0], tuple) else [extrema]))


class Page:
    def __init__(self, browser):
        self.browser, self.find = browser.browser, browser.find

    def cards(self):
        return self.browser.find_elements(By.CSS_SELECTOR, "article")

    def drop(self, path, kind="image/png"):
        self.browser.execute_script(DROP, path.name, kind, base64.b64encode(path.read_bytes()).decode())
        return self.cards()[-1]

    def choose(self, path):
        self.find("#files").send_keys(str(path))
        return self.cards()[-1]

    def sample(self):
        before = len(self.cards())
        self.find("#sample").click()
        return wait(lambda: self.cards()[before:], "the sample")[0]

    def result(self, card):
        wait(lambda: not self.find(".work", card).is_displayed(), "a result", patience)
        if (alert := self.find("[role=alert]", card)).is_displayed():
            raise RuntimeError(alert.text)
        return card

    def refusal(self, card):
        """The sentence, as far as it is not the name."""
        alert = self.find("[role=alert]", card)
        wait(alert.is_displayed, "a sentence about a bad file", patience)
        return alert.text.split(": ", 1)[1]

    def press(self, selector, card):
        button = self.find(selector, card)
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        wait(button.is_enabled, "the button")

    def save(self, card, extension, name):
        target = out / "saved" / name

        def is_there():
            return target.exists() and target.stat().st_size > 0 and not list(target.parent.glob("*.part"))

        target.unlink(missing_ok=True)
        Select(self.find(".format", card)).select_by_value(extension)
        self.press(".save", card)
        wait(is_there, f"saving {name}", patience)
        return target


def photographs():
    """A PNG; and a JPEG that was held upright, with a colour profile."""
    with Image.open(page / "sample.jpg") as sample:
        dropped, turned = out / "dropped.png", out / "turned.jpg"
        sample.crop((100, 60, 420, 280)).save(dropped)
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = 6, "a camera"
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        sample.crop((200, 0, 500, 200)).save(turned, quality=90, exif=exif, icc_profile=profile)
    return dropped, turned


def use(page_):
    dropped, turned = photographs()

    card = page_.result(page_.drop(dropped))
    derain("-i", dropped, "-o", out / "program.png", "--rain", out / "program-rain.png")
    saved = page_.save(card, ".png", "dropped.png")
    check(difference(saved, out / "program.png") <= 1, "a dropped PNG: as the program's result")
    page_.press(".layer", card)
    saved = page_.save(card, ".png", "dropped-rain.png")
    check(difference(saved, out / "program-rain.png") <= 4, "its rain layer, four times as bright: as the program's")
    page_.press(".layer", card)

    slider, stage = page_.find(".slider", card), page_.find(".stage", card)
    slider.send_keys(Keys.ARROW_RIGHT)
    check(slider.get_attribute("value") == "51", "the arrow keys move the slider")
    ActionChains(page_.browser).move_to_element(stage).click_and_hold().move_by_offset(60, 5).release().perform()
    expected = 50 + 100 * 60 / stage.size["width"]
    check(abs(float(slider.get_attribute("value")) - expected) < 2, "the mouse moves the slider")

    card = page_.result(page_.choose(turned))
    derain("-i", turned, "-o", out / "program-turned.png")
    derain(turned, "-o", out / "program-turned.jpg")
    saved = page_.save(card, ".png", "turned.png")
    check(difference(saved, out / "program-turned.png") <= 1, "a JPEG that was turned: as the program's result")
    saved = page_.save(card, ".jpg", "turned.jpg")
    with Image.open(saved) as ours, Image.open(out / "program-turned.jpg") as program_s:
        for what in ("icc_profile", "exif", "dpi"):
            check(ours.info.get(what) == program_s.info.get(what), f"its {what}: as the program's")
        check(bool(ours.info.get("icc_profile")), "the colour profile is there")

    use_wrongly(page_, dropped)

    large = out / "large.png"
    Image.effect_noise((1500, 1000), 60).convert("RGB").save(large)
    before = len(page_.cards())
    card = page_.drop(large)
    wait(lambda: float(page_.find("progress", card).get_property("value")) > 0, "progress")
    page_.find(".cancel", card).click()
    check(len(page_.cards()) == before, "a photograph is cancelled")
    page_.result(page_.sample())
    check(True, "and the next one is taken after that")


def use_wrongly(page_, good):
    with Image.open(good) as image:
        cut, point = out / "cut.jpg", out / "point.png"
        image.save(cut)
        cut.write_bytes(cut.read_bytes()[:5000])
        image.crop((0, 0, 1, 1)).save(point)
    letter, empty = out / "letter.png", out / "empty.jpg"
    letter.write_text("Dear photograph,\n")
    empty.write_bytes(b"")
    for path, sentence in (
            (letter, "image: neither PNG, .* nor TGA"),
            (empty, "image: the file is empty"),
            (cut, "jpeg: truncated, .*")):
        said = page_.refusal(page_.drop(path))
        check(re.fullmatch(sentence, said), f"{path.name} gets one sentence: {said}")
    card = page_.result(page_.drop(point))
    derain("-i", point, "-o", out / "program-point.png")
    saved = page_.save(card, ".png", "point.png")
    check(difference(saved, out / "program-point.png") <= 1, "a picture of one pixel: as the program's result")


FRAMES = """
window.longest = 0;
let last = performance.now();
requestAnimationFrame(function frame(now) {
  window.longest = Math.max(window.longest, now - last);
  last = now;
  requestAnimationFrame(frame);
});
"""


def measure(browser, url):
    square, large = out / "square.png", out / "12-megapixels.jpg"
    with Image.open(page / "sample.jpg") as sample:
        sample.resize((512, 512)).save(square)
        sample.resize((4000, 3000)).save(large, quality=92)

    def in_page(cores):
        browser.set_cores(cores)
        browser.open(url)
        page_ = Page(browser)
        page_.result(page_.drop(square))  # the engines are loaded
        card = page_.result(page_.drop(square))
        check(int(card.get_attribute("data-helpers")) == cores, f"engines for {cores} cores")
        return float(card.get_attribute("data-seconds"))

    def in_program(threads):
        command = [program, "-i", square, "-o", out / "square-program.png", "--device", "cpu", "-j", str(threads), "-v"]
        report = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(re.search(r"([\d.]+) s,", report.stdout + report.stderr)[1])

    for cores in (1, 2):
        times = [(in_page(cores), in_program(cores)) for _ in range(3)]
        ours, program_s = (min(column) for column in zip(*times))
        print(f"512 x 512, {cores} at a time: page {ours:.2f} s, program {program_s:.2f} s, "
              f"{ours / program_s:.2f} times as long; all: {times}")

    browser.open(url)
    browser.browser.execute_script(FRAMES)
    page_ = Page(browser)
    card = page_.result(page_.choose(large))
    longest = browser.browser.execute_script("return window.longest")
    memory = int(card.get_attribute("data-memory")) / 2**20
    print(f"4000 x 3000: {float(card.get_attribute('data-seconds')):.1f} s, {memory:.0f} MiB of the module that holds it, "
          f"{peak_memory(browser.process)} MiB of the browser's largest process; "
          f"{longest:.0f} ms between two frames at the most")
    saved = page_.save(card, ".png", "12-megapixels.png")
    derain("-i", large, "-o", out / "program-12-megapixels.png")
    check(difference(saved, out / "program-12-megapixels.png") <= 1, "12 megapixels: as the program's result")


def main():
    (out / "saved").mkdir(parents=True, exist_ok=True)
    browser = (Firefox if arguments.firefox else Chromium)(out)
    try:
        with Server("-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", page) as url:
            browser.open(url)
            browser.pictures("empty")
            use(Page(browser))
            browser.browser.execute_script("scrollTo(0, 0)")
            browser.pictures("results")
            if arguments.measure:
                measure(browser, url)
            check(browser.hosts_asked() == {url}, "nothing is asked of another host")
            check(not (complaints := browser.complaints()), f"no complaints in the console {complaints}")
    finally:
        browser.browser.quit()
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
