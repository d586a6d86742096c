"""The link checker of the documentation."""

import pytest

from tools.check_links import problems

PAGE = """<html><head><link rel="stylesheet" href="style.css"></head><body>
<h2 id="here">Here</h2> <a href="other.html#there">a</a> <a href="#here">b</a> <a href="https://example.org">c</a>
<a href="folder/">d</a> <a href="/other.html">e</a> <img src="picture.png">{} </body></html>"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text("<p>")
    (tmp_path / "other.html").write_text('<h2 id="there">There</h2>')
    (tmp_path / "style.css").write_text("p { background: url(picture.png) }")
    (tmp_path / "picture.png").touch()
    return tmp_path


def found(path, text):
    path.write_text(text)
    return [problem.removeprefix(f"{path}: ") for problem in problems(path, path.parent)]


def test_a_page_without_problems(site):
    assert not found(site / "page.html", PAGE)
    assert not list(problems(site / "style.css", site))


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="gone.html">x</a>', "dead link gone.html"),
        ('<a href="other.html#gone">x</a>', "no such anchor: other.html#gone"),
        ('<a href="#gone">x</a>', "no such anchor: #gone"),
        ('<img src="gone.png">', "dead link gone.png"),
        ('<script src="https://example.org/a.js"></script>', "loads https://example.org/a.js from another host"),
        ('<script src="//example.org/a.js"></script>', "loads //example.org/a.js from another host"),
        (
            '<link rel="preconnect" href="https://fonts.example.org">',
            "loads https://fonts.example.org from another host",
        ),
    ],
)
def test_problems_of_a_page(site, html, problem):
    assert found(site / "page.html", PAGE.format(html)) == [problem]


def test_fonts_of_a_style_sheet(site):
    assert found(site / "fonts.css", "@import 'https://example.org/f.css'; a { src: url('gone.woff2') }") == [
        "loads https://example.org/f.css from another host",
        "dead link gone.woff2",
    ]


def test_markdown(site):
    (site / "b.md").write_text("# A `title`: two words\n")
    text = "[a](b.md#a-title-two-words) [b](#one) [c](gone.md) [d](b.md#gone) `[e](f)`\n\n# One\n\n```\n[g](h)\n```\n"
    assert found(site / "a.md", text) == ["dead link gone.md", "no such anchor: b.md#gone"]
