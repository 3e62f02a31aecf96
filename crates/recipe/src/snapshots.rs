//! What users read when something is wrong, as one page per file format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Lock, Reader, Recipe};

/// Files that are not on any disk.
pub(crate) struct Files(BTreeMap<PathBuf, Vec<u8>>);

impl Files {
    pub(crate) fn new<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let files = files.into_iter();
        Self(files.map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect())
    }
}

impl Reader for Files {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        if bytes.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.clone())
    }
}

/// A recipe that extends nothing and is complete.
pub(crate) const COMPLETE: &str = r#"
prune = ["/usr/share/doc", "/usr/share/man"]
packages = ["bash", "systemd", "openssh-server"]
exclude = ["perl-base"]

[image]
id = "root"
version = "1"
architecture = "x86-64"

[source]
suite = "trixie"

[kernel]
package = "linux-image-cloud-amd64"
cmdline = ["quiet", "panic=5"]

[disk]
esp = "256M"
usr = "1G"
usr-verity = "16M"
oem = "64M"
root = "512M"

[sysctl]
"kernel.panic" = 10

[files."/etc/motd"]
content = "hello\n"
mode = "0600"

[users.core]
uid = 500

[units."ssh.service"]
enable = true
"#;

/// Each mistake, in a recipe that extends [`COMPLETE`].
const MISTAKES: &[(&str, &str)] = &[
    (
        "broken toml",
        r#"
[image
id = "x"
version = 
"#,
    ),
    (
        "a key twice",
        r#"
[image]
id = "a"
id = "b"
"#,
    ),
    (
        "unknown keys",
        r#"
pakcages = []
[image]
verson = "1"
flavour = "mint"
[disks]
"#,
    ),
    (
        "wrong types",
        r#"
packages = 3
[image]
version = 1.2
id = ["x"]
[units."a.service"]
enable = "yes"
"#,
    ),
    (
        "a list in place of its changes",
        r#"
packages = ["vim"]
"#,
    ),
    (
        "removing what is not there",
        r#"
packages.remove = ["openssh-serve", "nginx"]
"#,
    ),
    (
        "the same element twice",
        r#"
[packages]
add = [
  "vim",
  "vim",
]
"#,
    ),
    (
        "bad words",
        r#"
packages.add = ["Vim", "bash=5.2"]
prune.add = ["usr/share/x", "/usr", "/usr/**"]
[image]
id = "My_Image"
version = "v1+2"
architecture = "x86_64"
"#,
    ),
    (
        "paths outside the image",
        r#"
[files."/var/lib/x"]
content = ""
[files."/bin/x"]
content = ""
[links."/etc/../x"]
target = "y"
[directories."etc/x"]
"#,
    ),
    (
        "modes",
        r#"
[files."/etc/a"]
content = ""
mode = 0o644
[files."/etc/b"]
content = ""
mode = "644"
[files."/etc/c"]
content = ""
mode = 644
"#,
    ),
    (
        "files without or with too much content",
        r#"
[files."/etc/a"]
[files."/etc/b"]
content = ""
source = "motd"
"#,
    ),
    (
        "sources that cannot be read",
        r#"
[update]
keys = ["keys/none.pub"]
[files."/etc/a"]
source = "none"
"#,
    ),
    (
        "a source outside",
        r#"
[files."/etc/b"]
source = "/etc/passwd"
"#,
    ),
    (
        "the same path twice and below a file",
        r#"
[links."/etc/motd"]
target = "x"
[directories."/etc/motd/d"]
"#,
    ),
    (
        "unquoted dots",
        "
[units.ssh.service]
enable = true
[sysctl]
net.ipv4.ip_forward = 1
",
    ),
    (
        "unit names",
        r#"
[units.ssh]
mask = true
[units."x.conf"]
mask = true
"#,
    ),
    (
        "a masked unit that is enabled",
        r#"
[units."a.service"]
mask = true
enable = true
"#,
    ),
    (
        "removing entries",
        r#"
[files."/etc/mtd"]
remove = true
[units."ssh.service"]
remove = true
enable = false
[sysctl]
"kernel.pani" = { remove = true }
"#,
    ),
    (
        "values of sysctl",
        r#"
[sysctl]
"a.b" = {}
"a.c" = 1.5
"a.d" = ""
"#,
    ),
    (
        "alternatives",
        r#"
[alternatives]
"/usr/bin/vi" = "/bin/vim.tiny"
"/usr/bin/awk" = ["/usr/bin/mawk"]
editor = "/usr/bin/vim.tiny"
"/usr/bin/pager" = { remove = true }
"/usr/bin/nc" = {}
"#,
    ),
    (
        "modules",
        r#"
[modules]
load = ["br_netfilter", "ip_vs.ko.xz"]
option.loop = "max_loop=8"
[modules.options]
loop = 8
"#,
    ),
    (
        "lines of tmpfiles.d",
        r#"
tmpfiles = ["d /srv 0755 root root", "/srv/www", "dir /srv/x", "d srv", "d /srv/y 755x"]
"#,
    ),
    (
        "owners",
        r#"
[owners."/usr/bin/ping"]
capabilities = "cap_net_rwa=ep"
[owners."/usr/bin/dumpcap"]
groups = "wireshark"
[owners."/var/lib/x"]
mode = "0700"
"#,
    ),
    (
        "what modules, alternatives and owners contradict",
        r#"
[modules]
load = ["br_netfilter", "nf-conntrack"]
blacklist = ["nouveau", "nf_conntrack"]
[alternatives]
"/usr/bin/ex" = "/usr/bin/ex"
[owners."/usr/bin/x"]
"#,
    ),
    (
        "commands",
        r#"
[run.Fonts]
command = ["/usr/bin/fc-cache"]
[run.a]
command = "/usr/bin/fc-cache -f"
[run.b]
command = ["fc-cache"]
[run.c]
command = []
[run.d]
script = " "
[run.e]
comand = ["/usr/bin/fc-cache"]
"#,
    ),
    (
        "commands of no or of two kinds",
        r#"
[run.a]
[run.b]
command = ["/usr/bin/fc-cache"]
script = "fc-cache"
"#,
    ),
    (
        "accounts",
        "
[users.Core]
uid = 1
[users.root]
uid = 1
[users.a]
uid = 70000
",
    ),
    (
        "account numbers",
        "
[users.b]
uid = 500
[users.c]
[users.root]
uid = 1
[groups.d]
gid = 500
[groups.e]
gid = 500
",
    ),
    (
        "command line",
        r#"
[kernel]
cmdline.add = ["a b", "x=\"y\"", "a\nb"]
"#,
    ),
    (
        "the build's own arguments",
        r#"
[kernel]
cmdline.add = ["usrhash=0", "mount.usrflags=ro"]
"#,
    ),
    (
        "sizes",
        r#"
[disk]
usr = "1GB"
root = 5
"#,
    ),
    (
        "sizes that are none for a partition",
        r#"
[disk]
esp = "100K"
oem = "99T"
"#,
    ),
    (
        "compression",
        r#"
[usr]
compression = "zstd"
"#,
    ),
    (
        "a word that is no compression",
        r#"
[usr]
compression = "gzip"
"#,
    ),
    (
        "excluded and requested",
        r#"
exclude.add = ["bash", "linux-image-cloud-amd64"]
"#,
    ),
    (
        "a kernel of the other architecture",
        r#"
[image]
architecture = "arm64"
"#,
    ),
    (
        "an url that is none",
        r#"
[update]
url = "updates.example"
channel = "Stable"
"#,
    ),
    (
        "words that are none",
        "\n[pin.dash]\nversion = \"*\"\n[repositories.main]\nsuite = \"stable\"\n",
    ),
    (
        "pins that mean nothing",
        r#"
[pin.openssl]
[pin.bash]
suite = "trixie-backport"
[pin.dash]
version = "0.5*"
repository = "own"
"#,
    ),
    (
        "repositories and packages that cannot be read",
        r#"
debs = ["hello.deb"]
[source]
extra = ["trixie-updates"]
[repositories.own]
components = ["main"]
key = "own.asc"
"#,
    ),
];

/// Files by path.
type Texts = &'static [(&'static str, &'static str)];

fn load(name: &str, reader: &dyn Reader) -> String {
    match Recipe::load(name, reader) {
        Ok(_) => "loaded".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn each_mistake_in_a_recipe_says_what_and_where_and_what_to_do() {
    let mut page = String::new();
    for (name, text) in MISTAKES {
        let text = format!("extends = \"root.toml\"{text}");
        let files = Files::new([("root.toml", COMPLETE), ("site.toml", text.as_str())]);
        writeln!(page, "## {name}\n\n{}\n", load("site.toml", &files)).unwrap();
    }
    insta::assert_snapshot!(page);
}

#[test]
fn each_mistake_in_what_a_recipe_extends_is_shown() {
    let mut page = String::new();
    let cases: &[(&str, &str, Texts)] = &[
        ("no such file", "none.toml", &[]),
        ("no such shipped recipe", "bse", &[]),
        ("a file without its ending", "site", &[]),
        ("an incomplete recipe", "a.toml", &[("a.toml", "[image]\nid = \"a\"")]),
        ("extends itself", "a.toml", &[("a.toml", "extends = \"./a.toml\"")]),
        (
            "a cycle",
            "a.toml",
            &[
                ("a.toml", "extends = \"d/b.toml\""),
                ("d/b.toml", "extends = \"c.toml\""),
                ("d/c.toml", "# round and\nextends = \"../d/b.toml\""),
            ],
        ),
        ("extends what is not there", "a.toml", &[("a.toml", "extends = \"b.toml\"")]),
        ("extends no shipped recipe", "a.toml", &[("a.toml", "extends = \"bsae\"")]),
        (
            "mistakes in two files",
            "a.toml",
            &[("a.toml", "extends = \"b.toml\"\nfoo = 1"), ("b.toml", "[image]\nbar = 1")],
        ),
    ];
    for (name, start, files) in cases {
        let files = Files::new(files.iter().copied());
        writeln!(page, "## {name}\n\n{}\n", load(start, &files)).unwrap();
    }
    insta::assert_snapshot!(page);
}

#[test]
fn each_mistake_in_a_lock_says_what_and_where() {
    let good = crate::lock_file::tests::sample().render();
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let cases = [
        ("empty", String::new()),
        ("broken toml", change("[[packages]]", "<<<<<<< HEAD\n[[packages]]")),
        ("another format", change("format = 1", "format = 2\nnews = 3")),
        ("a lost key", change("archive = \"main\"\n", "")),
        ("an unknown key", change("why =", "wy =")),
        ("a short digest", change("00000000\"\narchitecture", "0\"\narchitecture")),
        ("a path out of the archive", change("pool/main/b", "../main/b")),
        ("a size below zero", change("size = 1", "size = -1")),
        ("a package twice", change("name = \"libc6\"", "name = \"bash\"")),
        ("a date of its own", change("date = \"2026", "date = \"2027")),
        ("a date of no form", change("T10:00:00Z", "T10:00:00+00:00")),
    ];
    let mut page = String::new();
    for (name, text) in cases {
        let errors = Lock::parse("base.lock", text.as_bytes()).unwrap_err();
        writeln!(page, "## {name}\n\n{errors}\n").unwrap();
    }
    insta::assert_snapshot!(page);
}
