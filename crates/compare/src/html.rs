use std::fmt::{self, Write};

use crate::comparison::{Comparison, Pair};
use crate::outline::{List, Section, sections};
use crate::release::Side;
use crate::text::headline;

/// A list is unfolded from the start if it has no more rows than this.
const OPEN_MAX: usize = 25;

/// Light and dark, with the reader's own fonts; nothing is loaded from elsewhere.
const STYLE: &str = include_str!("html.css");

/// A comparison as one page of HTML that needs nothing else: no script, no other file.
#[derive(Clone, Copy, Debug)]
pub struct HtmlReport<'a> {
    /// What is shown.
    pub comparison: &'a Comparison,
}

/// Text within HTML: `& < > " '` as references.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Marks that turn the direction of text could make a name look like another.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_char('\u{fffd}')?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for HtmlReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pair { old, new } = &self.comparison.sides;
        let title = format!("{} → {}", short(old), short(new));
        let title = Escaped(&title);
        writeln!(f, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
        // Even a mistake in escaping could load or run nothing.
        writeln!(
            f,
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        )?;
        writeln!(f, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
        writeln!(f, "<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>")?;
        writeln!(f, "<h1>{title}</h1>")?;
        self.sides(f)?;
        let sections = sections(self.comparison);
        if self.comparison.identical {
            let gap =
                if self.comparison.not_compared.is_empty() { "" } else { " in what was compared" };
            writeln!(f, "<p class=\"verdict\">Nothing differs{gap}.</p>")?;
        } else {
            overview(f, &sections)?;
            let told = sections.iter().filter(|section| !section.lists.is_empty());
            told.into_iter().try_for_each(|part| section(f, part))?;
        }
        self.remarks(f)?;
        writeln!(f, "</main>\n</body>\n</html>")
    }
}

impl HtmlReport<'_> {
    fn sides(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pair { old, new } = &self.comparison.sides;
        writeln!(
            f,
            "<table class=\"sides\">\n<thead><tr><td></td><th scope=\"col\">old</th><th scope=\"col\">new</th></tr></thead>\n<tbody>"
        )?;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let rows = [
            ("release", headline(old), headline(new)),
            ("built by Flagstone", text(&old.flagstone_version), text(&new.flagstone_version)),
            ("root hash", hash(old), hash(new)),
        ];
        for (what, old, new) in
            rows.iter().filter(|(_, old, new)| !(old.is_empty() && new.is_empty()))
        {
            let class = if old == new { "" } else { " class=\"differs\"" };
            let (old, new) = (Escaped(old), Escaped(new));
            writeln!(
                f,
                "<tr{class}><th scope=\"row\">{what}</th><td><code>{old}</code></td><td><code>{new}</code></td></tr>"
            )?;
        }
        writeln!(f, "</tbody>\n</table>")
    }

    fn remarks(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Comparison { not_compared, notes, .. } = self.comparison;
        if not_compared.is_empty() && notes.is_empty() {
            return Ok(());
        }
        writeln!(f, "<section id=\"remarks\">\n<h2>Remarks</h2>\n<ul>")?;
        for gap in not_compared {
            writeln!(f, "<li>Not compared: {}. {}.</li>", gap.what, Escaped(&gap.why))?;
        }
        for note in notes {
            writeln!(f, "<li>{}</li>", Escaped(note))?;
        }
        writeln!(f, "</ul>\n</section>")
    }
}

fn hash(side: &Side) -> String {
    side.root_hash.map(|hash| hash.to_string()).unwrap_or_default()
}

fn short(side: &Side) -> String {
    match (&side.id, &side.version) {
        (Some(id), Some(version)) => format!("{id} {version}"),
        _ => side.path.clone(),
    }
}

fn overview(f: &mut fmt::Formatter<'_>, sections: &[Section]) -> fmt::Result {
    writeln!(f, "<nav aria-label=\"Overview\">\n<ul class=\"overview\">")?;
    for section in sections {
        let (title, summary) = (section.title, Escaped(&section.summary));
        let card = format!("<strong>{title}</strong> <span>{summary}</span>");
        if section.lists.is_empty() {
            writeln!(f, "<li><div>{card}</div></li>")?;
        } else {
            writeln!(f, "<li><a href=\"#{}\">{card}</a></li>", anchor(section))?;
        }
    }
    writeln!(f, "</ul>\n</nav>")
}

fn section(f: &mut fmt::Formatter<'_>, section: &Section) -> fmt::Result {
    let anchor = anchor(section);
    writeln!(f, "<section id=\"{anchor}\">\n<h2>{}</h2>", section.title)?;
    writeln!(f, "<p>{}</p>", Escaped(&section.summary))?;
    section.lists.iter().try_for_each(|part| list(f, part))?;
    writeln!(f, "</section>")
}

fn list(f: &mut fmt::Formatter<'_>, list: &List) -> fmt::Result {
    let open = if list.rows.len() <= OPEN_MAX { " open" } else { "" };
    let class = match list.sign {
        '+' => "added",
        '-' => "removed",
        _ => "changed",
    };
    writeln!(
        f,
        "<details class=\"{class}\"{open}>\n<summary>{} <span class=\"count\">{}</span></summary>",
        list.title,
        list.rows.len()
    )?;
    write!(f, "<div class=\"scroll\"><table>\n<thead><tr>")?;
    list.columns.iter().try_for_each(|column| write!(f, "<th scope=\"col\">{column}</th>"))?;
    writeln!(f, "</tr></thead>\n<tbody>")?;
    for row in &list.rows {
        f.write_str("<tr>")?;
        row.cells.iter().try_for_each(|cell| write!(f, "<td>{}</td>", Escaped(cell)))?;
        f.write_str("</tr>\n")?;
    }
    writeln!(f, "</tbody>\n</table></div>\n</details>")
}

/// Titles are words of this crate: letters, spaces and slashes.
fn anchor(section: &Section) -> String {
    section.title.replace(|c: char| !c.is_ascii_alphabetic(), "-")
}
