//! PAM's common stacks.

use std::collections::BTreeMap;

use flagstone_tree::{Mtime, Tree};

use crate::RootfsError;
use crate::edit::{Edit, names};

const STEP: &str = "pam";

const PROFILES: &str = "usr/share/pam-configs";
const TEMPLATES: &str = "usr/share/pam";

/// A stack: its file's last part, the profiles' field, and the word that starts each line.
const STACKS: [(&str, &str, &str); 5] = [
    ("account", "Account", "account"),
    ("auth", "Auth", "auth"),
    ("password", "Password", "password"),
    ("session", "Session", "session"),
    ("session-noninteractive", "Session", "session"),
];

/// What a profile says: fields by name; a value of several lines has one module a line.
type Profile = BTreeMap<String, String>;

/// Renders `/etc/pam.d/common-*` from the profiles that packages ship, as `pam-auth-update` does
/// when it is first run: all that are on by default, the highest priority first.
///
/// In the primary block a module that succeeds jumps over those left (`[success=end]`), so the
/// number of modules left is filled in. Without these files no program of Debian can log anyone in.
pub(crate) fn configure(tree: &mut Tree, date: Mtime) -> Result<(), RootfsError> {
    let mut edit = Edit::new(tree, date, STEP);
    let profiles = default_profiles(&edit)?;
    for (stack, field, word) in STACKS {
        let path = format!("etc/pam.d/common-{stack}");
        let template = edit.text(&format!("{TEMPLATES}/common-{stack}"))?;
        let Some(template) = template.filter(|_| !edit.exists(&path)) else { continue };
        let stack = Stack { field, word, interactive: stack != "session-noninteractive" };
        edit.file(&path, 0o644, stack.render(&template, &profiles))?;
    }
    Ok(())
}

/// Reads the profiles that are on by default, in the order in which they apply. Of two that exclude
/// each other the later gives way.
fn default_profiles(edit: &Edit<'_>) -> Result<Vec<Profile>, RootfsError> {
    let mut found: Vec<(i64, String, Profile)> = Vec::new();
    for name in names(edit.tree, PROFILES).into_iter().filter(|name| !name.ends_with('~')) {
        let text = edit.text(&format!("{PROFILES}/{name}"))?.unwrap_or_default();
        let profile = parse(&text);
        if profile.get("Default").is_some_and(|value| value == "yes") {
            let priority = profile.get("Priority").and_then(|text| text.parse().ok()).unwrap_or(0);
            found.push((priority, name, profile));
        }
    }
    found.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    let mut chosen: Vec<(String, Profile)> = Vec::new();
    for (_, name, profile) in found {
        let excludes = |profile: &Profile, name: &str| {
            profile.get("Conflicts").is_some_and(|list| list.split(", ").any(|other| other == name))
        };
        let barred = chosen
            .iter()
            .any(|(other, theirs)| excludes(theirs, &name) || excludes(&profile, other));
        if !barred {
            chosen.push((name, profile));
        }
    }
    Ok(chosen.into_iter().map(|(_, profile)| profile).collect())
}

/// Parses `Field: value` with continuation lines, blanks around them cut off.
fn parse(text: &str) -> Profile {
    let mut profile = Profile::new();
    let mut field = String::new();
    for line in text.lines() {
        let start = line.split_once(':').filter(|(name, value)| {
            let blank_after = value.is_empty() || value.starts_with(char::is_whitespace);
            !name.is_empty() && !name.contains(char::is_whitespace) && blank_after
        });
        if let Some((name, value)) = start {
            // The first profiles called the field so.
            name.strip_suffix("-Final").unwrap_or(name).clone_into(&mut field);
            profile.insert(field.clone(), value.trim().to_owned());
        } else if !line.trim().is_empty() {
            let value = profile.entry(field.clone()).or_default();
            if !value.is_empty() {
                value.push('\n');
            }
            value.push_str(line.trim());
        }
    }
    profile
}

struct Stack {
    field: &'static str,
    word: &'static str,
    interactive: bool,
}

impl Stack {
    /// Fills a template's two blocks; each goes from its comment to the next.
    fn render(&self, template: &str, profiles: &[Profile]) -> String {
        const BLOCKS: [(&str, &str, &str); 2] = [
            (
                "# here are the per-package modules (the \"Primary\" block)",
                "Primary",
                "# here's the fallback if no module succeeds",
            ),
            (
                "# and here are more per-package modules (the \"Additional\" block)",
                "Additional",
                "# end of pam-auth-update config",
            ),
        ];
        let mut out = String::new();
        let mut until = None;
        for line in template.lines() {
            if until.is_some_and(|end| !line.starts_with(end)) {
                continue;
            }
            until = None;
            out += line;
            out.push('\n');
            if let Some((_, kind, end)) = BLOCKS.iter().find(|block| line.starts_with(block.0)) {
                out += &self.block(kind, profiles);
                until = Some(*end);
            }
        }
        out
    }

    fn block(&self, kind: &str, profiles: &[Profile]) -> String {
        let modules = self.modules(kind, profiles);
        let primary = kind == "Primary";
        if primary && modules.is_empty() {
            // Something has to stand here for the jump over the fallback.
            return format!("{}\t[default=1]\t\t\tpam_permit.so\n", self.word);
        }
        let mut out = String::new();
        for (index, module) in modules.iter().enumerate() {
            // Over the modules left and, in the primary block, over the fallback.
            let left = modules.len() - index - usize::from(!primary);
            out.extend([self.word, "\t", &with_jump(module, left), "\n"]);
        }
        out
    }

    /// Returns the modules of a block, one a line. The first profile of a block has no earlier
    /// module to take a password from, so it may have a line of its own for that place.
    fn modules<'a>(&self, kind: &str, profiles: &'a [Profile]) -> Vec<&'a str> {
        let type_field = format!("{}-Type", self.field);
        let initial_field = format!("{}-Initial", self.field);
        let in_block = profiles
            .iter()
            .filter(|profile| profile.get(&type_field).is_some_and(|value| value == kind))
            .filter(|profile| {
                let only = profile.get("Session-Interactive-Only").is_some_and(|v| v == "yes");
                self.interactive || !only
            });
        let texts = in_block.enumerate().map(|(index, profile)| {
            let initial = profile.get(&initial_field).filter(|text| index == 0 && !text.is_empty());
            initial.or_else(|| profile.get(self.field)).map_or("", String::as_str)
        });
        texts.flat_map(str::lines).collect()
    }
}

/// Puts the jump into a module's control, and one blank before its arguments, even if there are
/// none: so the lines are the same as on an ordinary machine.
fn with_jump(module: &str, left: usize) -> String {
    let control_end = match module.strip_prefix('[') {
        Some(rest) => rest.find(']').map_or(module.len(), |end| end + 2),
        None => module.find(char::is_whitespace).unwrap_or(module.len()),
    };
    let (control, rest) = module.split_at(control_end);
    let name_start = rest.len() - rest.trim_start().len();
    let name_end = rest[name_start..]
        .find(char::is_whitespace)
        .map_or(rest.len(), |length| name_start + length);
    let (name, arguments) = rest.split_at(name_end);
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let control = control.replace("=end", &format!("={left}"));
    format!("{control}{name} {}", arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata};

    use super::*;

    const DATE: Mtime = Mtime::from_seconds(9);
    const META: Metadata = Metadata::root(0o644, DATE);

    const TEMPLATE: &str = "\
# head
# here are the per-package modules (the \"Primary\" block)
$primary
# here's the fallback if no module succeeds
x\trequisite\tpam_deny.so
# and here are more per-package modules (the \"Additional\" block)
$additional
# end of pam-auth-update config
";

    const UNIX: &str = "\
Name: Unix
Default: yes
Priority: 256
Auth-Type: Primary
Auth:
\t[success=end default=ignore]\tpam_unix.so nullok try_first_pass
Auth-Initial:
\t[success=end default=ignore]\tpam_unix.so nullok
Session-Type: Additional
Session:
\trequired\tpam_unix.so
";

    const TOKEN: &str = "\
Name: Token
Default: yes
Priority: 900
Auth-Type: Primary
Auth:
\t[success=end default=ignore]   pam_token.so
\t[success=end  default=die]\tpam_token2.so a  b
Session-Interactive-Only: yes
Session-Type: Additional
Session-Final:
\toptional pam_token.so
";

    fn rendered(profiles: &[(&str, &'static str)]) -> Tree {
        let mut tree = Tree::new(META);
        for stack in STACKS {
            let path = format!("{TEMPLATES}/common-{}", stack.0);
            tree.put(path, META, Inode::file(META, TEMPLATE)).unwrap();
        }
        for (name, text) in profiles {
            tree.put(format!("{PROFILES}/{name}"), META, Inode::file(META, *text)).unwrap();
        }
        configure(&mut tree, DATE).unwrap();
        tree
    }

    fn lines(tree: &Tree, stack: &str) -> Vec<String> {
        let text = tree.read_text(format!("etc/pam.d/common-{stack}")).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn jumps_count_the_modules_left() {
        let tree = rendered(&[("unix", UNIX), ("token", TOKEN), ("off", "Default: no\nAuth:\n x")]);
        assert_eq!(
            lines(&tree, "auth"),
            [
                "auth\t[success=3 default=ignore]   pam_token.so ",
                "auth\t[success=2  default=die]\tpam_token2.so a b",
                "auth\t[success=1 default=ignore]\tpam_unix.so nullok try_first_pass",
                "x\trequisite\tpam_deny.so",
            ]
        );
        assert_eq!(
            lines(&tree, "session"),
            [
                "session\t[default=1]\t\t\tpam_permit.so",
                "x\trequisite\tpam_deny.so",
                "session\toptional pam_token.so ",
                "session\trequired\tpam_unix.so ",
            ]
        );
        assert_eq!(lines(&tree, "session-noninteractive")[2], "session\trequired\tpam_unix.so ");
    }

    #[test]
    fn the_first_profile_has_its_own_line() {
        let tree = rendered(&[("unix", UNIX)]);
        assert_eq!(lines(&tree, "auth")[0], "auth\t[success=1 default=ignore]\tpam_unix.so nullok");
    }

    #[test]
    fn of_two_that_exclude_each_other_the_later_gives_way() {
        let other = "Default: yes\nPriority: 300\nConflicts: unix, x\nAuth-Type: Primary\nAuth: \n required pam_o.so\n";
        let tree = rendered(&[("unix", UNIX), ("other", other)]);
        assert_eq!(lines(&tree, "auth")[0], "auth\trequired pam_o.so ");
        assert_eq!(lines(&tree, "auth").len(), 2);
    }

    #[test]
    fn broken_profiles_do_not_break_the_stacks() {
        let broken = "no field\nDefault: yes\nAuth-Type: Primary\nAuth:\n [open\n\n";
        let tree = rendered(&[("broken", broken)]);
        assert_eq!(lines(&tree, "auth")[0], "auth\t[open ");
    }
}
