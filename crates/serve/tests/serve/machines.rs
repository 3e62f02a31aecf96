//! What machines are told to boot.

use std::fs;
use std::path::Path;

use crate::support::{config, start};
use flagstone_serve::{Config, Server};

const PROFILES: &str = r#"
labels = ["rack"]

[profiles.node]
kernel = "k"
initrd = ["i", "sub/j"]
cmdline = ["console=ttyS0", "site={{site}}", "id={{serial}}", "url={{base}}/ignition?{{query}}"]
ignition = "node.ign"

[profiles.uki]
uki = "u.efi"

[groups.berlin]
profile = "node"
match = { rack = "b1" }
metadata = { site = "berlin", motd = "a \"quoted\" line" }

[groups.paris]
profile = "node"
match = { serial = "S 7" }
metadata = { site = "paris", motd = "" }

[groups.rest]
profile = "uki"
"#;

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    for name in ["k", "i", "sub/j", "u.efi"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let ignition =
        r#"{"ignition": {"version": "3.4.0"}, "host": "{{hostname}}", "motd": "{{motd}}"}"#;
    fs::write(dir.path().join("node.ign"), ignition).unwrap();
    dir
}

#[test]
fn labels_choose_what_a_machine_boots() {
    let dir = folder();
    let server = start(&config(dir.path(), PROFILES));
    let first = server.get("/boot.ipxe");
    assert!(
        first.text().starts_with("#!ipxe\nchain --replace http://boot.test/ipxe?mac=${net0/mac")
    );
    let script = server.get("/ipxe?mac=52-54-00-12-34-56&serial=s%2F7&rack=b1");
    assert_eq!(
        script.text(),
        "#!ipxe\nset flagstone-base http://boot.test/files/\n\
         kernel http://boot.test/files/k initrd=i initrd=j console=ttyS0 site=berlin id=s/7 \
         url=http://boot.test/ignition?mac=52:54:00:12:34:56&rack=b1&serial=s%2F7\n\
         initrd --name i http://boot.test/files/i\ninitrd --name j http://boot.test/files/sub/j\nboot\n"
    );
    assert_eq!(
        server.get("/ipxe").text(),
        "#!ipxe\nchain --replace http://boot.test/files/u.efi\n"
    );
    let metadata = server.get("/metadata?rack=b1");
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.body).unwrap();
    assert_eq!(
        (&metadata["group"], &metadata["metadata"]["site"]),
        (&"berlin".into(), &"berlin".into())
    );
    let page = server.get("/");
    assert!(page.text().contains("rack: b1") && !page.text().contains("<script"));
}

#[test]
fn what_a_machine_says_cannot_leave_its_place() {
    let dir = folder();
    let server = start(&config(dir.path(), PROFILES));
    for (path, status) in [
        ("/ipxe?rack=b1&serial=a%0Aboot", 400),
        ("/ipxe?rack=b1&serial=a%20%7C%7C%20shell", 422),
        ("/ipxe?rack=b1&serial=%24%7Buuid%7D", 422),
        ("/ipxe?rack=b1", 422),
        ("/ignition?rack=b1", 422),
        ("/ignition?rack=b2", 404),
        ("/ipxe?mac=x", 400),
        ("/ipxe?a=%", 400),
        ("/ipxe?rack=b1&serial=S%207", 409),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    let both = server.get("/ipxe?rack=b1&serial=S%207");
    assert!(both.text().starts_with("the groups `berlin` and `paris` match"), "{}", both.text());
    server.log.wait_for(&["event=error", "berlin", "paris"]);
    let document = server.get("/ignition?rack=b1&hostname=%22%2C%22x%22%3A%22\\%3C");
    let json: serde_json::Value = serde_json::from_slice(&document.body).unwrap();
    assert_eq!(json["host"], "\",\"x\":\"\\<");
    assert_eq!(json["motd"], "a \"quoted\" line");
    let host = "GET /boot.ipxe HTTP/1.1\r\nHost: a${b}\r\nConnection: close\r\n\r\n";
    assert_eq!(server.ask(host).status, 400);
}

#[test]
fn a_report_shows_on_the_page_as_text() {
    let dir = folder();
    let server = start(&config(dir.path(), PROFILES));
    let report = |body: &str| {
        let length = body.len();
        let head = format!("POST /report?mac=525400000001 HTTP/1.0\r\nContent-Length: {length}");
        server.ask(&format!("{head}\r\n\r\n{body}")).status
    };
    assert_eq!(report("status=<b>ready</b>"), 200);
    assert_eq!(report("ready"), 400);
    assert_eq!(report("status="), 400);
    assert_eq!(report(&"x".repeat(5000)), 413);
    let page = server.get("/");
    assert!(page.text().contains("&lt;b&gt;ready&lt;/b&gt;"), "{}", page.text());
}

#[test]
fn a_folder_of_a_build_needs_no_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let stem = "edge_1.0_x86-64";
    let script = format!(
        "#!ipxe\n# edge 1.0, /usr with root hash 00\nkernel {stem}.pxe-vmlinuz \
         initrd={stem}.pxe-initrd rw panic=5 ${{flagstone-args}}\n\
         initrd --name {stem}.pxe-initrd {stem}.pxe-initrd\nboot\n"
    );
    for (end, content) in
        [("-vmlinuz", "kernel"), ("-initrd", "initrd"), (".efi", "uki"), (".ipxe", script.as_str())]
    {
        fs::write(dir.path().join(format!("{stem}.pxe{end}")), content).unwrap();
    }
    let server = start(&config(dir.path(), ""));
    assert_eq!(
        server.get("/ipxe?mac=525400000001").text(),
        format!(
            "#!ipxe\nset flagstone-base http://boot.test/files/\n\
             kernel http://boot.test/files/{stem}.pxe-vmlinuz initrd={stem}.pxe-initrd rw panic=5\n\
             initrd --name {stem}.pxe-initrd http://boot.test/files/{stem}.pxe-initrd\nboot\n"
        )
    );
}

#[test]
fn a_file_that_differs_from_its_digest_is_not_served() {
    let dir = folder();
    let sums =
        format!("{}  k\n{}  i\n", "0".repeat(64), flagstone_artifact::Sha256Digest::of(b"i"));
    fs::write(dir.path().join("SHA256SUMS"), sums).unwrap();
    let mut config = config(dir.path(), PROFILES);
    let server = start(&config);
    let refused = server.get("/files/k");
    assert_eq!(refused.status, 503);
    assert!(refused.text().starts_with("k differs from SHA256SUMS: expected 0000"), "{refused:?}");
    assert_eq!((server.get("/files/i").status, server.get("/files/u.efi").status), (200, 200));
    server.log.wait_for(&["event=error", "it is not served"]);
    drop(server);
    config.check = false;
    assert_eq!(start(&config).get("/files/k").status, 200);
}

fn refusal(folder: &Path, text: &str) -> String {
    let mut config = match Config::parse(&folder.join("serve.toml"), text.to_owned()) {
        Ok(config) => config,
        Err(mistakes) => return mistakes.to_string(),
    };
    config.folders = vec![folder.to_owned()];
    config.ipxe = None;
    let error = Server::open(&config, Box::new(std::io::sink())).err().unwrap();
    error.to_string().replace(&format!("{}/", folder.display()), "")
}

#[test]
fn mistakes_are_found_at_the_start() {
    let dir = folder();
    let json = "{\"ignition\": {\"version\": {{hostname}}}}";
    fs::write(dir.path().join("bad.ign"), json).unwrap();
    fs::write(dir.path().join("unknown.ign"), "{\n \"a\": \"{{sit}}\"}").unwrap();
    fs::write(dir.path().join("other.ign"), "{}").unwrap();
    let group = "\n[groups.g]\nprofile = \"a\"\nmetadata = { site = \"b\" }\n";
    for (profile, shown) in [
        ("kernel = \"kk\"", "serve.toml:2:10: the file `kk` cannot be served: no such file"),
        ("kernel = \"../k\"", "serve.toml:2:10: `../k` is not the path of a served file"),
        (
            "kernel = \"k\"\ncmdline = [\"{{sitee}}\"]",
            "serve.toml:3:12: the variable `sitee` is not declared\n  = hint: did you mean `site`?",
        ),
        ("kernel = \"k\"\ncmdline = [\"a b\"]", "serve.toml:3:12: \"a b\" is not one argument"),
        ("kernel = \"k\"\ncmdline = [\"{{\"]", "serve.toml:3:12: `{{` is never closed"),
        (
            "kernel = \"k\"\ninitrd = [\"i\", \"i\"]",
            "serve.toml:3:11: two initrds have the same name",
        ),
        ("script = \"k\"", "serve.toml:2:10: `k` is not a boot script"),
        ("uki = \"u.efi\"\nignition = \"none\"", "serve.toml:3:12: the Ignition file"),
        ("uki = \"u.efi\"\nignition = \"bad.ign\"", "bad.ign:1:26: not JSON: expected value\n"),
        (
            "uki = \"u.efi\"\nignition = \"unknown.ign\"",
            "unknown.ign:2:8: the variable `sit` is not declared",
        ),
        ("uki = \"u.efi\"\nignition = \"other.ign\"", "other.ign: not an Ignition document"),
    ] {
        let text = refusal(dir.path(), &format!("[profiles.a]\n{profile}{group}"));
        assert!(text.starts_with(shown), "{profile}: {text}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_configurations() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/serve.md");
    let text = fs::read_to_string(docs).unwrap();
    let examples: Vec<&str> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let parsed = Config::parse(Path::new("serve.toml"), example.to_owned());
        assert!(parsed.is_ok(), "{example}\n{}", parsed.unwrap_err());
    }
}
