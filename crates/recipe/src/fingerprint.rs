use std::fmt::Display;

use flagstone_artifact::{Sha256Digest, Sha256Hasher};

use crate::{Recipe, RootEncryption, Selection};

/// Begins every text that is digested; another rendering gets another number.
const FORMAT: &str = "flagstone recipe 1\n";

/// A recipe as it is digested: fields with their lengths, so that no two recipes read alike.
struct Fields(Sha256Hasher);

impl Fields {
    fn bytes(&mut self, key: &str, value: &[u8]) {
        self.0.update(format!("{key} {}\n", value.len()).as_bytes());
        self.0.update(value);
        self.0.update(b"\n");
    }

    fn text(&mut self, key: &str, value: impl Display) {
        self.bytes(key, value.to_string().as_bytes());
    }

    fn all<T: Display>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        values.into_iter().for_each(|value| self.text(key, value));
    }

    fn some(&mut self, key: &str, value: Option<impl Display>) {
        self.all(key, value);
    }
}

impl Recipe {
    /// Returns the digest of all that the merged recipe says: two recipes with the same digest give
    /// the same image from the same lock.
    ///
    /// It depends on what is said and on the content of the files that are named, not on how it is
    /// spread over files, nor on where they lie. The defaults of shipped recipes count as said.
    pub fn digest(&self) -> Sha256Digest {
        let mut fields = Fields(Sha256Hasher::new());
        fields.0.update(FORMAT.as_bytes());
        // Every field is named, so that a new one cannot be forgotten.
        let Self {
            image,
            // It says where the lock lies; the architecture itself is in the image's name.
            retarget: _,
            source: _,
            selection: _,
            packages: _,
            exclude: _,
            prune: _,
            keep: _,
            kernel: _,
            initrd_modules: _,
            sysctl: _,
            modules: _,
            tmpfiles: _,
            usr: _,
            disk: _,
            root_encryption: _,
            update: _,
            extension_certificates: _,
            files: _,
            directories: _,
            links: _,
            alternatives: _,
            owners: _,
            groups: _,
            users: _,
            units: _,
            scripts: _,
            run: _,
        } = self;
        fields.text("image", image);
        self.packages_into(&mut fields);
        self.system_into(&mut fields);
        self.tree_into(&mut fields);
        self.accounts_into(&mut fields);
        self.units_into(&mut fields);
        fields.0.finish()
    }

    fn packages_into(&self, fields: &mut Fields) {
        fields.text("distribution", self.source.distribution);
        for suite in &self.source.suites {
            fields.text("suite", &suite.name);
            fields.text("suite archive", &suite.archive);
        }
        fields.all("component", &self.source.components);
        let Selection { recommends: _, pins: _, repositories: _, debs: _ } = &self.selection;
        self.selection.inputs(|key, value| fields.text(key, value));
        fields.all("package", &self.packages);
        fields.all("exclude", &self.exclude);
        fields.all("prune", &self.prune);
        fields.all("keep", &self.keep);
        for ((package, script), accepted) in &self.scripts {
            fields.text("script", format_args!("{package} {script} {}", accepted.sha256));
        }
    }

    fn system_into(&self, fields: &mut Fields) {
        fields.text("kernel", &self.kernel.package);
        fields.all("argument", &self.kernel.cmdline);
        fields.all("initrd module", &self.initrd_modules);
        for (key, value) in &self.sysctl {
            fields.text("sysctl", key);
            fields.text("sysctl value", value);
        }
        fields.all("load", &self.modules.load);
        fields.all("blacklist", &self.modules.blacklist);
        for (module, options) in &self.modules.options {
            fields.text("module", module);
            fields.text("module options", options);
        }
        fields.all("tmpfiles", &self.tmpfiles);
        fields.text("compression", self.usr.compression);
        fields.text("level", self.usr.level);
        fields.text("cluster", self.usr.cluster.bytes());
        let disk = &self.disk;
        for size in [disk.esp, disk.usr, disk.usr_verity, disk.oem, disk.root] {
            fields.text("partition", size.bytes());
        }
        if self.root_encryption != RootEncryption::None {
            fields.text("root encryption", self.root_encryption);
        }
        fields.some("channel", self.update.channel.as_ref());
        fields.some("update url", self.update.url.as_ref());
        for key in &self.update.keys {
            fields.bytes("update key", &key.content);
        }
        fields.some("threshold", self.update.threshold);
        if let Some(revoked) = &self.update.revoked {
            fields.bytes("revoked keys", &revoked.content);
        }
        if let Some(root) = &self.update.root {
            fields.bytes("update root", &root.content);
        }
        fields.some("sysupdate", self.update.sysupdate.as_ref());
        if let Some(keyring) = &self.update.sysupdate_keyring {
            fields.bytes("sysupdate keyring", &keyring.content);
        }
        fields.text("agent", self.update.agent);
        for certificate in &self.extension_certificates {
            fields.bytes("extension certificate", &certificate.content);
        }
    }

    fn tree_into(&self, fields: &mut Fields) {
        for (path, file) in &self.files {
            fields.text("file", path);
            fields.bytes("file content", &file.content);
            fields.text("file mode", file.mode);
            fields.text("file owner", &file.owner);
            fields.text("file group", &file.group);
        }
        for (path, directory) in &self.directories {
            fields.text("directory", path);
            fields.text("directory mode", directory.mode);
            fields.text("directory owner", &directory.owner);
            fields.text("directory group", &directory.group);
        }
        for (path, link) in &self.links {
            fields.text("link", path);
            fields.text("link target", &link.target);
        }
        for (command, alternative) in &self.alternatives {
            fields.text("alternative", command);
            fields.text("alternative program", &alternative.program);
        }
        for (path, owner) in &self.owners {
            fields.text("owners", path);
            fields.some("owners owner", owner.owner.as_ref());
            fields.some("owners group", owner.group.as_ref());
            fields.some("owners mode", owner.mode);
            if let Some(capabilities) = &owner.capabilities {
                fields.text("owners permitted", capabilities.permitted);
                fields.text("owners inheritable", capabilities.inheritable);
                fields.text("owners effective", capabilities.effective);
            }
        }
    }

    fn accounts_into(&self, fields: &mut Fields) {
        for (name, group) in &self.groups {
            fields.text("group", name);
            fields.text("gid", group.gid);
        }
        for (name, user) in &self.users {
            fields.text("user", name);
            fields.text("uid", user.uid);
            fields.some("user group", user.group.as_ref());
            fields.all("user in", &user.groups);
            fields.text("home", &user.home);
            fields.text("shell", &user.shell);
            fields.some("description", user.description.as_ref());
        }
    }

    fn units_into(&self, fields: &mut Fields) {
        for (name, unit) in &self.units {
            fields.text("unit", name);
            fields.some("unit enable", unit.enable);
            fields.text("unit mask", unit.mask);
            fields.some("unit content", unit.content.as_ref());
        }
        for (name, run) in &self.run {
            fields.text("run", name);
            fields.all("run argument", &run.command);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use crate::{Reader, Recipe};

    /// The only file there is.
    struct Only(String);

    impl Reader for Only {
        fn read(&self, _: &Path, _: u64) -> io::Result<Vec<u8>> {
            Ok(self.0.clone().into_bytes())
        }
    }

    fn digest(path: &str, text: &str) -> String {
        Recipe::load(path, &Only(text.to_owned())).unwrap().digest().to_string()
    }

    const SITE: &str = "extends = \"ci\"\n[image]\nid = \"site\"\nversion = \"1\"\n";

    #[test]
    fn the_digest_knows_what_a_recipe_says_and_not_where_it_lies() {
        let plain = digest("a/site.toml", SITE);
        assert_eq!(digest("/b/c/other.toml", SITE), plain);
        let spaced = SITE.replace(" = ", "   =  ") + "# a comment\n";
        assert_eq!(digest("a/site.toml", &spaced), plain);
        let mut seen = vec![plain];
        for more in [
            "[files.\"/etc/a\"]\ncontent = \"x\"\n",
            "[files.\"/etc/a\"]\ncontent = \"y\"\n",
            "[files.\"/etc/a\"]\ncontent = \"x\"\nmode = \"0600\"\n",
            "[units.\"fstrim.timer\"]\nenable = true\n",
            "[units.\"fstrim.timer\"]\nenable = false\n",
            "[usr]\nlevel = 3\n",
            "[packages]\nadd = [\"nftables\"]\n",
            "[owners.\"/usr/bin/env\"]\nmode = \"0700\"\n",
            "[owners.\"/usr/bin/env\"]\ncapabilities = \"cap_net_raw=ep\"\n",
            "[run.x]\nscript = \"true\"\n",
            "[tmpfiles]\nadd = [\"d /srv/x 0755 root root\"]\n",
            "[sysctl]\n\"vm.swappiness\" = \"1\"\n",
            "[disk]\nroot = \"1G\"\n",
            "[disk]\nroot-encryption = \"tpm2\"\n",
        ] {
            let other = digest("a/site.toml", &format!("{SITE}{more}"));
            assert!(!seen.contains(&other), "{more} makes no difference");
            seen.push(other);
        }
    }
}
