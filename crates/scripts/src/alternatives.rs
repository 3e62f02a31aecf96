//! `update-alternatives --install`.

use crate::declaration::{Declaration, DeclaredAlternative};

/// Reads what an alternative is told to be, with its slaves.
pub(crate) fn install(arguments: &[&str]) -> Option<Declaration> {
    let mut rest = arguments.iter().copied();
    let mut found: Option<DeclaredAlternative> = None;
    while let Some(argument) = rest.next() {
        match argument {
            "--install" if found.is_none() => {
                let (link, name) = (rest.next()?, rest.next()?);
                let (path, priority) = (rest.next()?, rest.next()?);
                found = Some(DeclaredAlternative {
                    name: name.to_owned(),
                    link: absolute(link)?,
                    path: absolute(path)?,
                    priority: priority.parse().ok()?,
                    slaves: Vec::new(),
                });
            }
            "--slave" => {
                let (link, _, path) = (rest.next()?, rest.next()?, rest.next()?);
                let alternative = found.as_mut()?;
                alternative.slaves.push((absolute(link)?, absolute(path)?));
            }
            "--quiet" | "--verbose" | "--force" | "--skip-auto" => {}
            _ => return None,
        }
    }
    found.map(Declaration::Alternative)
}

fn absolute(path: &str) -> Option<String> {
    let plain = path.starts_with('/') && !path.split('/').any(|name| name == "..");
    plain.then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alternative_is_read_with_its_slaves() {
        let text = "--quiet --install /usr/bin/pager pager /usr/bin/less 77 \
                    --slave /usr/share/man/man1/pager.1.gz pager.1.gz /usr/share/man/man1/less.1.gz";
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let Some(Declaration::Alternative(pager)) = install(&words) else { panic!() };
        assert_eq!((pager.name.as_str(), pager.priority), ("pager", 77));
        assert_eq!(pager.slaves[0].0, "/usr/share/man/man1/pager.1.gz");
    }

    #[test]
    fn what_is_cut_off_or_relative_is_not_read() {
        for text in [
            "--install /a a /b",
            "--install a a /b 1",
            "--install /a a /../b 1",
            "--install /a a /b high",
            "--slave /a a /b",
            "--install /a a /b 1 --slave /a",
            "--set a /b",
            "",
        ] {
            let words: Vec<&str> = text.split_ascii_whitespace().collect();
            assert_eq!(install(&words), None, "{text}");
        }
    }
}
