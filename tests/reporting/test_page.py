"""Pages: the same parts in Markdown and in HTML, of which nothing is taken for markup."""

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


def test_tables_have_a_line_a_row():
    assert table_lines(["a", "b", "c"], [["1", "2", "3"]]) == [
        "| a | b | c |",
        "|---|---:|---:|",
        "| 1 | 2 | 3 |",
    ]


def test_all_parts_are_in_both_forms():
    page = Page("a < b")
    page.heading("Part")
    page.text("x & <script>y</script>")
    page.table(["n", "<m>"], [["1", "2"], ["3", "4"]])
    page.code(["--flag=<1>", "  next"])
    page.link("more", "other.md")
    page.picture("Curve", "plots/curve.png", b"\x89PNG")
    reader = Reader()
    reader.feed(page.html())
    reader.close()
    assert reader.open == []
    text = "".join(reader.text)
    for part in ("a < b", "Part", "x & <script>y</script>", "<m>", "--flag=<1>\n  next", "more"):
        assert part in text and part in page.markdown()
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("tr") == 3 and tags.count("td") == 4 and "script" not in tags
    assert ("img", {"alt": "Curve", "src": "data:image/png;base64,iVBORw=="}) in reader.tags
    assert ("a", {"href": "other.md"}) in reader.tags
    assert "![Curve](plots/curve.png)" in page.markdown()
