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

/// A module that is gone; profiles that name it are left out.
const DEAD_MODULE: &str = "pam_tally";

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

/// Reads the profiles that are on by default, in the order in which they apply.
fn default_profiles(edit: &Edit<'_>) -> Result<Vec<Profile>, RootfsError> {
    let mut found: Vec<(i64, String, Profile)> = Vec::new();
    for name in names(edit.tree, PROFILES).into_iter().filter(|name| !is_backup(name)) {
        let text = edit.text(&format!("{PROFILES}/{name}"))?.unwrap_or_default();
        let profile = parse(&text);
        let is_on = profile.get("Default").is_some_and(|value| value == "yes");
        if is_on && !profile.values().any(|value| value.contains(DEAD_MODULE)) {
            let priority = profile.get("Priority").map_or(0, |text| leading_number(text));
            found.push((priority, name, profile));
        }
    }
    found.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    let mut chosen: Vec<(String, Profile)> =
        found.into_iter().map(|(_, name, profile)| (name, profile)).collect();
    drop_conflicts(&mut chosen);
    Ok(chosen.into_iter().map(|(_, profile)| profile).collect())
}

/// Tells whether an editor left a file.
fn is_backup(name: &str) -> bool {
    name.ends_with('~') || (name.len() > 2 && name.starts_with('#') && name.ends_with('#'))
}

fn leading_number(text: &str) -> i64 {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    text[..text.len() - unsigned.len() + digits].parse().unwrap_or(0)
}

/// Takes out what each profile, from the first on, says that it excludes: earlier ones, too.
fn drop_conflicts(chosen: &mut Vec<(String, Profile)>) {
    let mut index = 0;
    while let Some((_, profile)) = chosen.get(index) {
        let excluded = profile.get("Conflicts").cloned().unwrap_or_default();
        chosen.retain(|(name, _)| !excluded.split(", ").any(|other| other == name));
        index += 1;
    }
}

/// Parses `Field: value` with continuation lines, whose blanks are cut off.
fn parse(text: &str) -> Profile {
    let mut profile = Profile::new();
    let mut field = String::new();
    for line in text.lines() {
        let (word, rest) = line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()));
        if let Some(name) = word.strip_suffix(':').filter(|name| !name.is_empty()) {
            // The first profiles called the field so.
            name.strip_suffix("-Final").unwrap_or(name).clone_into(&mut field);
            profile.insert(field.clone(), rest.trim_start().to_owned());
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
        let in_block = profiles.iter().filter_map(|profile| {
            let field = self.field_in(profile);
            let is_kind = profile.get(&format!("{field}-Type")).is_some_and(|value| value == kind);
            is_kind.then_some((field, profile))
        });
        let texts = in_block.enumerate().map(|(index, (field, profile))| {
            let initial = profile.get(&format!("{field}-Initial"));
            let initial = initial.filter(|text| index == 0 && !text.is_empty());
            initial.or_else(|| profile.get(field)).map_or("", String::as_str)
        });
        texts.flat_map(str::lines).collect()
    }

    /// Returns the field that a profile has for this stack. What is for sessions at a terminal alone
    /// may have another for the rest.
    fn field_in(&self, profile: &Profile) -> &'static str {
        let only = profile.get("Session-Interactive-Only").is_some_and(|value| value == "yes");
        if only && !self.interactive { "Session-noninteractive" } else { self.field }
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
    fn what_a_profile_excludes_gives_way() {
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

    const TOOL: &str = "/usr/sbin/pam-auth-update";
    const HOST_TEMPLATES: &str = "/usr/share/pam";

    /// Runs the judge over profiles, with a debconf database of its own.
    fn judged(profiles: &[(&str, &str)]) -> BTreeMap<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["root/etc/pam.d", "root/var/lib/pam", &format!("root/{PROFILES}")] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        for (name, text) in profiles {
            std::fs::write(path(&format!("root/{PROFILES}/{name}")), text).unwrap();
        }
        let database = |name: &str| {
            format!("Name: {name}\nDriver: File\nFilename: {}\n", path(name).display())
        };
        let config = format!(
            "Config: config\nTemplates: templates\n\n{}\n{}",
            database("config"),
            database("templates")
        );
        std::fs::write(path("debconf.conf"), config).unwrap();
        let out = std::process::Command::new(TOOL)
            .args(["--force", "--package", "--root"])
            .arg(path("root"))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("DEBCONF_SYSTEMRC", path("debconf.conf"))
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let read =
            |stack: &str| std::fs::read_to_string(path(&format!("root/etc/pam.d/common-{stack}")));
        STACKS.iter().map(|stack| (stack.0.to_owned(), read(stack.0).unwrap())).collect()
    }

    /// The judge: `pam-auth-update` itself, over the templates of this machine.
    #[test]
    fn pam_auth_update_makes_the_same_stacks() {
        if !crate::judge::has_file(TOOL) || !crate::judge::has_file("/usr/share/debconf/confmodule")
        {
            return;
        }
        let sets: [&[(&str, &'static str)]; 7] = [
            &[("unix", UNIX)],
            &[
                ("unix", UNIX),
                ("token", TOKEN),
                ("off", "Name: O\nDefault: no\nAuth-Type: Primary\nAuth:\n\trequired x.so\n"),
            ],
            // Equal priorities, backups of editors, odd blanks, fields that look like values.
            &[
                ("unix", UNIX),
                (
                    "a",
                    "Name: A\nDefault: yes\nPriority: 256\nAuth-Type: Additional\nAuth:\n\toptional\tpam_a.so  x=1   y:z \n\n  required   pam_a2.so\n",
                ),
                (
                    "b",
                    "Name: B\nDefault: yes\nPriority: 256\nAuth-Type: Additional\nAuth: optional pam_b.so [a b]\nPassword-Type: Additional\nPassword-Final:\n\toptional pam_b.so use_authtok\nPassword-Initial:\n\toptional pam_b.so\n",
                ),
                (
                    "b~",
                    "Name: B\nDefault: yes\nPriority: 999\nAuth-Type: Primary\nAuth: required gone.so\n",
                ),
                (
                    "#c#",
                    "Name: C\nDefault: yes\nPriority: 999\nAuth-Type: Primary\nAuth: required gone.so\n",
                ),
            ],
            // No primary module in any stack.
            &[(
                "m",
                "Name: M\nDefault: yes\nPriority: 0\nSession-Interactive-Only: yes\nSession-Type: Additional\nSession:\n\trequired\tpam_mkhomedir.so umask=0022\n",
            )],
            // A session of its own for what is not at a terminal.
            &[
                ("unix", UNIX),
                (
                    "s",
                    "Name: S\nDefault: yes\nPriority: 5\nSession-Interactive-Only: yes\nSession-Type: Additional\nSession:\n\toptional pam_s.so\nSession-noninteractive-Type: Primary\nSession-noninteractive:\n\t[success=end default=ignore] pam_s.so quiet\n",
                ),
            ],
            // Conflicts, one of which names a profile of a higher priority; a module that is gone.
            &[
                ("unix", UNIX),
                (
                    "x",
                    "Name: X\nDefault: yes\nPriority: 900\nConflicts: y, z\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore] pam_x.so\n",
                ),
                (
                    "y",
                    "Name: Y\nDefault: yes\nPriority: 800\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore] pam_y.so\n",
                ),
                (
                    "v",
                    "Name: V\nDefault: yes\nPriority: 100\nConflicts: w\nAuth-Type: Primary\nAuth:\n\t[success=end new_authtok_reqd=done default=ignore] pam_v.so\n",
                ),
                (
                    "w",
                    "Name: W\nDefault: yes\nPriority: 300\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore] pam_w.so\n",
                ),
                (
                    "t",
                    "Name: T\nDefault: yes\nPriority: 50\nAuth-Type: Primary\nAuth:\n\trequired pam_tally2.so\n",
                ),
            ],
            // Two modules of one profile jump over each other.
            &[
                ("unix", UNIX),
                (
                    "sss",
                    "Name: SSS\nDefault: yes\nPriority: 128\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_sss.so use_first_pass\nAuth-Initial:\n\t[success=end default=ignore]\tpam_sss.so forward_pass\nAccount-Type: Additional\nAccount:\n\tsufficient\t\t\tpam_localuser.so\n\t[default=bad success=ok user_unknown=ignore]\tpam_sss.so\nPassword-Type: Primary\nPassword:\n\trequisite\tpam_pwquality.so retry=3\n\tsufficient\t\t\tpam_sss.so use_authtok\n",
                ),
            ],
        ];
        for profiles in sets {
            let mut tree = Tree::new(META);
            for stack in STACKS {
                let name = format!("common-{}", stack.0);
                let text = std::fs::read_to_string(format!("{HOST_TEMPLATES}/{name}")).unwrap();
                tree.put(format!("{TEMPLATES}/{name}"), META, Inode::file(META, text)).unwrap();
            }
            for (name, text) in profiles {
                tree.put(format!("{PROFILES}/{name}"), META, Inode::file(META, *text)).unwrap();
            }
            configure(&mut tree, DATE).unwrap();
            for (stack, theirs) in judged(profiles) {
                let ours = tree.read_text(format!("etc/pam.d/common-{stack}")).unwrap();
                assert_eq!(ours, theirs, "{stack} of {:?}", profiles.last());
            }
        }
    }
}
