//! A page in Markdown, with its pictures in a folder beside it.

use noisebook::prelude::*;
use percent_encoding::percent_decode_str;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

/// A page, whose code comes from the text of the program that draws it.
pub struct Page {
    folder: PathBuf,
    program: &'static str,
    text: String,
    figures: usize,
    pictures: Vec<PathBuf>,
}

const HEAD: &str = "# Gallery

Every figure that the crate draws, below the code that drew it. In a notebook the last line of a cell is drawn; here
`make gallery` ran the code, which is that of [examples/gallery](../examples/gallery/main.rs). All pictures are drawings:
they stay sharp on dense screens, and are readable on light and on dark pages.
";

impl Page {
    /// An empty page, gallery.md in `folder`.
    pub fn new(folder: &str, program: &'static str) -> Self {
        Self { folder: folder.into(), program, text: HEAD.into(), figures: 0, pictures: Vec::new() }
    }

    /// Begins a section.
    pub fn section(&mut self, title: &str) {
        self.text += &format!("\n## {title}\n");
    }

    /// Begins a figure: its code goes on to the next call of `draw`.
    pub fn figure(&mut self, title: &str) {
        self.text += &format!("\n### {title}\n\n```rust\n{}\n```\n\n", code(self.program, title, self.figures));
        self.figures += 1;
    }

    /// Draws what the code makes.
    pub fn draw(&mut self, value: &dyn Show) -> Result<(), Box<dyn Error>> {
        let bundle = value.bundle()?;
        let words: String = bundle.plain_text().lines().take(2).collect::<Vec<_>>().join(". ");
        let form = |mime: &str| bundle.get(mime).and_then(|text| text.as_str());
        if let Some(svg) = form("image/svg+xml") {
            self.picture(svg, &words)?;
        } else if let Some(html) = form("text/html") {
            // Code hosts take drawings out of HTML: they come below it.
            let (table, rest) = html.split_once("<img").unwrap_or((html, ""));
            assert!(!rest.contains("<img"), "a figure of the gallery has one drawing");
            self.text += &format!("{}\n", table.trim_end());
            let address = rest.split_once("data:image/svg+xml,").and_then(|(_, rest)| rest.split_once('"'));
            if let Some((svg, _)) = address {
                self.text += "\n";
                self.picture(&format!("{}\n", percent_decode_str(svg).decode_utf8()?), &words)?;
            }
        } else {
            self.text += &format!("```text\n{}\n```\n", bundle.plain_text());
        }
        Ok(())
    }

    fn picture(&mut self, svg: &str, words: &str) -> Result<(), Box<dyn Error>> {
        let name = format!("gallery/{:02}.svg", self.figures);
        fs::create_dir_all(self.folder.join("gallery"))?;
        fs::write(self.folder.join(&name), svg)?;
        self.pictures.push(self.folder.join(&name));
        self.text += &format!("![{}]({name})\n", words.replace(['[', ']'], "|"));
        Ok(())
    }

    /// Writes the page. Pictures of an earlier page that this one does not have go.
    pub fn write(&self) -> Result<(), Box<dyn Error>> {
        fs::write(self.folder.join("gallery.md"), &self.text)?;
        let mut bytes = 0;
        for file in fs::read_dir(self.folder.join("gallery"))?.flatten() {
            if self.pictures.contains(&file.path()) {
                bytes += file.metadata()?.len();
            } else {
                fs::remove_file(file.path())?;
            }
        }
        println!(
            "{} figures, {} kB of pictures: {}",
            self.figures,
            bytes / 1_000,
            self.folder.join("gallery.md").display()
        );
        Ok(())
    }
}

/// The code of the figure at this place: what stands between `page.figure(...)` and the end of `page.draw(&...)`.
fn code(program: &str, title: &str, place: usize) -> String {
    let begin = "    page.figure(\"";
    let block = program.split(begin).nth(place + 1).unwrap_or_default();
    assert!(block.starts_with(title), "the code of '{title}' is not where it should be");
    let lines = block.lines().skip(1).map(|line| line.strip_prefix("    ").unwrap_or(line));
    let mut code: Vec<&str> = Vec::new();
    for line in lines {
        if let Some(expression) = line.strip_prefix("page.draw(&") {
            let end = expression.trim_end_matches(['?', ';']);
            code.push(end.strip_suffix(')').unwrap_or(end));
            return code.join("\n");
        }
        code.push(line);
    }
    panic!("'{title}' draws nothing");
}
