use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::http::Shared;
use crate::log::rfc3339;
use crate::machines::Machine;
use crate::reply::{HTML, Reply};

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\">\
<title>flagstone serve</title><style>body{font:15px/1.4 system-ui,sans-serif;margin:2em}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;\
padding:.3em .8em;border-bottom:1px solid #ccc}small{color:#666}</style></head><body>\
<h1>flagstone serve</h1>\n";

/// Answers with a page for people: which machine asked for what, when, and how far it got.
pub(crate) fn page(shared: &Shared) -> Reply {
    let machines = shared.machines.all();
    let mut page = HEAD.to_owned();
    let metrics = &shared.metrics;
    let _ = write!(
        page,
        "<p>{} machines, {} transfers over HTTP and {} over TFTP going on, {} sent. \
         <a href=\"/metrics\">All numbers</a>.</p>\n\
         <table><tr><th>machine</th><th>group</th><th>asked for</th><th>reported</th></tr>\n",
        machines.len(),
        // This very answer is none.
        metrics.http_active.get().saturating_sub(1),
        metrics.tftp_active.get(),
        Bytes(metrics.http_bytes.get() + metrics.tftp_bytes.get()),
    );
    for (address, machine) in &machines {
        row(&mut page, *address, machine);
    }
    page.push_str("</table></body></html>\n");
    // Nothing on the page runs, and it loads nothing.
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    Reply::text(HTML, page).header(hyper::header::CONTENT_SECURITY_POLICY, policy)
}

fn row(page: &mut String, address: IpAddr, machine: &Machine) {
    let _ = write!(page, "<tr><td>{address}");
    for (name, value) in machine.labels.iter() {
        let _ = write!(page, "<br><small>{}: {}</small>", Escaped(name), Escaped(value));
    }
    let group = machine.group.as_deref().unwrap_or("–");
    let _ = write!(page, "</td><td>{}</td><td>", Escaped(group));
    for request in machine.requests.iter().rev() {
        let (sent, total) = (request.sent().min(request.total), request.total);
        let percent = (sent * 100).checked_div(total).unwrap_or(100);
        let _ = write!(
            page,
            "{} <small>{}, {} of {} ({percent} %)</small><br>",
            Escaped(&request.what),
            rfc3339(request.begun),
            Bytes(sent),
            Bytes(total),
        );
    }
    let _ = write!(page, "</td><td>");
    if let Some((time, report)) = &machine.report {
        let _ = write!(page, "{} <small>{}</small>", Escaped(report), rfc3339(*time));
    }
    page.push_str("</td></tr>\n");
}

/// Text that stays text inside HTML.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}

/// A number of bytes for people, in the decimal units that the rest of the program has.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1_000 => write!(f, "{bytes} B"),
            bytes @ 1_000..1_000_000 => write!(f, "{}.{} kB", bytes / 1_000, bytes / 100 % 10),
            bytes => write!(f, "{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_machine_says_becomes_markup() {
        let text = Escaped("<script>'\"&").to_string();
        assert_eq!(text, "&lt;script&gt;&#39;&quot;&amp;");
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, shown) in [(0, "0 B"), (1_550, "1.5 kB"), (24_300_000, "24.3 MB")] {
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
    }
}
