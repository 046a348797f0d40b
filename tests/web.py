#!/usr/bin/python3
"""The page of tools/web in headless Chromium, as somebody uses it.

web.py PAGE NLCL-DERAIN OUT [--measure]

Photographs are dropped, chosen and taken from the sample; what is saved is compared with what the program writes, and no level
may differ by more than one. Nothing may be asked of another host. Screenshots and files are left in OUT. --measure also takes
512 x 512 pixels on one thread, here and in the program, and a photograph of 12 megapixels.
"""
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

from browser import Browser, Server, check, failures, wait

page, program, out = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
measures = "--measure" in sys.argv[4:]
patience = 240  # seconds for one photograph, on a busy machine

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


class Page(Browser):
    def __init__(self):
        super().__init__(out)
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(out / "saved"))

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

    def press(self, selector, card):
        button = self.find(selector, card)
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        wait(button.is_enabled, "the button")

    def save(self, card, extension, name):
        target = out / "saved" / name
        target.unlink(missing_ok=True)
        Select(self.find(".format", card)).select_by_value(extension)
        self.press(".save", card)
        wait(target.exists, f"saving {name}", 60)
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

    bad = out / "letter.txt"
    bad.write_text("Dear photograph,\n")
    card = page_.drop(bad, "text/plain")
    alert = page_.find("[role=alert]", card)
    wait(alert.is_displayed, "a sentence about a bad file")
    check(re.fullmatch("letter.txt: image: neither PNG, .* nor TGA", alert.text), f"a bad file gets one sentence: {alert.text}")

    large = out / "large.png"
    Image.effect_noise((1500, 1000), 60).convert("RGB").save(large)
    before = len(page_.cards())
    card = page_.drop(large)
    wait(lambda: float(page_.find("progress", card).get_property("value")) > 0, "progress")
    page_.find(".cancel", card).click()
    check(len(page_.cards()) == before, "a photograph is cancelled")
    page_.result(page_.sample())
    check(True, "and the next one is taken after that")


def measure(page_):
    square = out / "square.png"
    with Image.open(page / "sample.jpg") as sample:
        sample.resize((512, 512)).save(square)
        times = {"page": [], "program": []}
        for _ in range(3):
            card = page_.result(page_.drop(square))
            times["page"].append(float(card.get_attribute("data-seconds")))
            report = subprocess.run([program, "-i", square, "-o", out / "square-program.png", "--device", "cpu", "-j", "1", "-v"],
                                    check=True, capture_output=True, text=True)
            times["program"].append(float(re.search(r"([\d.]+) s,", report.stdout + report.stderr)[1]))
        best = {name: min(seconds) for name, seconds in times.items()}
        print(f"512 x 512 on one thread: page {best['page']:.2f} s, program {best['program']:.2f} s, "
              f"{best['page'] / best['program']:.2f} times as long; all: {times}")
        large = out / "12-megapixels.jpg"
        sample.resize((4000, 3000)).save(large, quality=92)
    card = page_.result(page_.choose(large))
    print(f"4000 x 3000: {float(card.get_attribute('data-seconds')):.1f} s, "
          f"{int(card.get_attribute('data-memory')) / 2**20:.0f} MiB of the module")


def main():
    global patience
    (out / "saved").mkdir(parents=True, exist_ok=True)
    page_ = Page()
    try:
        with Server("-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", page) as url:
            page_.open(url)
            page_.pictures("empty")
            use(page_)
            page_.browser.execute_script("scrollTo(0, 0)")
            page_.pictures("results")
            if measures:
                patience = 900
                measure(page_)
            check(page_.hosts_asked() == {url}, "nothing is asked of another host")
            check(not (complaints := page_.complaints()), f"no complaints in the console {complaints}")
    finally:
        page_.browser.quit()
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
