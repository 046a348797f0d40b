#!/usr/bin/python3
"""The book of tools/book.sh: every link leads somewhere, and nothing is asked of another host.

book.py BOOK

Each link of each page has to lead to a file of the book, and its anchor to an element there. Pictures, scripts and styles are
files of the book, too; only <a> may leave it. No page is without a way to it from the first. Last, the check is checked: in
a link, in an anchor and in a picture a letter is changed, and each must be found.
"""
import html.parser
import pathlib
import posixpath
import re
import sys
import urllib.parse


class Page(html.parser.HTMLParser):
    """What a page links to, what it loads, and where it can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.anchors, self.repeated = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                if value in self.anchors:
                    self.repeated.append(value)
                self.anchors.add(value)
            elif name == "href" and tag == "a":
                self.links.append(value)
            elif name in ("href", "src", "srcset", "data", "poster", "action"):
                self.loads.append(value)


def complaints(texts, files):
    """What is wrong with the pages, {path: HTML}, of a book of these files."""
    pages = {path: Page(text) for path, text in texts.items()}
    reached, waiting, found = {"index.html"}, ["index.html"], []
    for path, page in pages.items():
        found += [f"{path}: the anchor {anchor} is there twice" for anchor in page.repeated]
        for link in page.loads:
            if re.match(r"(\w+:|//)", link):
                found.append(f"{path}: loads {link}")
        for link in page.links + page.loads:
            target, anchor, is_ours = resolved(path, link)
            if not is_ours:
                continue
            if target not in files:
                found.append(f"{path}: {link} leads to no file")
            elif anchor and anchor not in pages[target].anchors:
                found.append(f"{path}: {link} leads to no anchor")
    while waiting:
        path = waiting.pop()
        for link in pages[path].links if path in pages else []:
            target, _, is_ours = resolved(path, link)
            if is_ours and target in pages and target not in reached:
                reached.add(target)
                waiting.append(target)
    found += [f"{path}: no link leads here" for path in sorted(pages.keys() - reached)]
    return found


def resolved(path, link):
    """(file, anchor, whether it is within the book)"""
    parts = urllib.parse.urlsplit(link)
    if parts.scheme or parts.netloc:
        return "", "", False
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), urllib.parse.unquote(parts.path))) if parts.path else path
    return target, urllib.parse.unquote(parts.fragment), True


def damaged(texts):
    """(what, pages with one letter changed)"""
    for what, pattern in (("a link", r'(<a href="\d\d-[a-z])'), ("an anchor", r'(<a href="\d\d-[a-z-]*\.html#[a-z])'),
                          ("a picture", r'(<img[^>]* src="images/[a-z])'), ("a link to a source", r'(<a href="source/)')):
        path = next(path for path, text in texts.items() if re.search(pattern, text))
        yield f"{what} of {path}", {**texts, path: re.sub(pattern, r"\1~", texts[path], count=1)}


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: book.py BOOK")
    book = pathlib.Path(sys.argv[1])
    files = {str(path.relative_to(book)) for path in book.rglob("*") if path.is_file()}
    texts = {path: (book / path).read_text(encoding="utf-8") for path in sorted(files) if path.endswith(".html")}
    if "index.html" not in texts:
        sys.exit(f"{book}: no book")
    found = complaints(texts, files)
    for path in sorted(path for path in files if path.endswith(".css")):
        if re.search(r"url\(|@import", (book / path).read_text(encoding="utf-8")):
            found.append(f"{path}: loads something")
    for line in found:
        print(line)
    missed = [what for what, texts_ in damaged(texts) if len(complaints(texts_, files)) <= len(found)]
    for what in missed:
        print(f"{what} was damaged, and nobody noticed")
    links = sum(len(Page(text).links) for text in texts.values())
    print(f"{len(texts)} pages, {links} links: {len(found) + len(missed)} wrong")
    return bool(found or missed)


if __name__ == "__main__":
    sys.exit(main())
