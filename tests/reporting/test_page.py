"""Pages: one HTML file, and no part of it is taken for markup."""

from html.parser import HTMLParser

from spherical_cnn.reporting.page import Page, table_lines


class Reader(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self):
        super().__init__()
        self.text, self.tags, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_tables_have_a_line_per_row():
    assert table_lines(["a", "b", "c"], [["1", "2", "3"]]) == [
        "| a | b | c |",
        "|---|---:|---:|",
        "| 1 | 2 | 3 |",
    ]


def read(page):
    """A `Reader` of the HTML of a page, all of whose tags are closed."""
    reader = Reader()
    reader.feed(page.html())
    reader.close()
    assert reader.open == []
    return reader


def test_all_parts_are_in_the_page_and_none_is_taken_for_markup():
    page = Page("a < b")
    page.heading("Part")
    page.text("x & <script>y</script>")
    page.table(["n", "<m>"], [["1", "2"], ["3", "4"]])
    page.code(["--flag=<1>", "  next"])
    page.link("more", "other.html")
    page.picture("Curve", b"\x89PNG")
    page.plots([("left <", b"\x89PNG"), ("right", b"\x89PNG")])
    page.cards([("lamp <1>", "lamp_3.off", b"\x89PNG")])
    page.tiles([("98 %", "of <all>")])
    page.text("last")
    page.folded("More <")
    reader = read(page)
    text = "".join(reader.text)
    for part in ("a < b", "Part", "x & <script>y</script>", "<m>", "--flag=<1>\n  next", "more"):
        assert part in text
    for part in ("left <", "right", "lamp <1>", "lamp_3.off", "98 %", "of <all>", "last"):
        assert part in text
    assert text.index("More <") < text.index("last")
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("tr") == 3 and tags.count("td") == 4
    assert tags.count("figure") == tags.count("figcaption") == 4 and tags.count("details") == 1
    assert "script" not in tags
    assert ("img", {"alt": "Curve", "src": "data:image/png;base64,iVBORw=="}) in reader.tags
    assert ("a", {"href": "other.html"}) in reader.tags


def test_a_page_is_one_file():
    page = Page("Run")
    page.picture("Curve", b"\x89PNG")
    reader = read(page)
    addresses = [values["src"] for _, values in reader.tags if "src" in values]
    assert len(addresses) == 1 and addresses[0].startswith("data:")
    assert not {"link", "script"}.intersection(tag for tag, _ in reader.tags)
    assert "url(" not in page.html() and "@import" not in page.html()


def test_parts_come_in_the_order_in_which_they_are_added():
    page = Page("Title")
    for part in ("first", "second", "third"):
        page.heading(part)
        page.text(f"of {part}")
    text = "".join(read(page).text)
    positions = [text.index(part) for part in ("first", "of first", "second", "third", "of third")]
    assert positions == sorted(positions)
