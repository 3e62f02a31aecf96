//! What Butane adds to Ignition's words: inline and local contents, mount units.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::data_url::DataUrl;
use crate::files_dir::LocalError;
use crate::findings::Problem;
use crate::json::{Json, JsonValue, Object};
use crate::mount_unit::MountUnit;
use crate::schema::Sugar;
use crate::translate::Translator;
use crate::trees::Tree;

impl Translator<'_> {
    /// Makes what is written of the sugar of a mapping that stands at `span`.
    pub(crate) fn sweeten(
        &mut self,
        kind: Sugar,
        span: &Range<usize>,
        written: &mut Object,
        sugar: &Object,
    ) {
        match kind {
            Sugar::None => {}
            Sugar::Resource => self.resource(written, sugar),
            Sugar::User => self.keys_of_user(written, sugar),
            Sugar::Unit => self.unit(written, sugar),
            Sugar::Filesystem => self.filesystem(written, sugar),
            Sugar::Tree => self.trees.push(Tree::new(span, sugar)),
        }
    }

    /// Makes a `source` of contents that are inline or local.
    fn resource(&mut self, written: &mut Object, sugar: &Object) {
        let places = [written.get("source"), sugar.get("inline"), sugar.get("local")];
        let mut stated: Vec<&Json> = places.into_iter().flatten().collect();
        stated.sort_by_key(|json| json.span.start);
        if let Some(second) = stated.get(1) {
            let problem = Problem::new(&second.span, "contents come from one place");
            self.out.error(problem.expected("one of `source`, `inline` and `local`"));
        } else if let Some(Json { span, value: JsonValue::Text(text) }) = sugar.get("inline") {
            if self.release.minor == 0 {
                let DataUrl { url, .. } = DataUrl::escaped(text.as_bytes());
                written.set("source", span, JsonValue::Text(url));
            } else {
                embed(written, span, text.as_bytes());
            }
        } else if let Some(path) = sugar.get("local")
            && let Some(contents) = self.local(path)
        {
            embed(written, &path.span, &contents);
        }
    }

    /// Reads a file that is named by a text.
    fn local(&mut self, path: &Json) -> Option<Vec<u8>> {
        let Some(files) = self.files else {
            self.no_files_dir(&path.span);
            return None;
        };
        let found = files.read(path.as_text()?, &mut self.left);
        found.map_err(|error| self.local_error(&path.span, &error)).ok()
    }

    pub(crate) fn no_files_dir(&mut self, span: &Range<usize>) {
        let message = "a file is to be embedded, and there is no folder of files";
        let problem = Problem::new(span, message).hint("--files-dir names it");
        self.out.error(problem);
    }

    pub(crate) fn local_error(&mut self, span: &Range<usize>, error: &LocalError) {
        let problem = Problem::new(span, error.to_string());
        let outside = matches!(error, LocalError::Outside);
        let expected = outside.then(|| "a path from there, without `..`".to_owned());
        let problem = match expected {
            Some(expected) => problem.expected(expected),
            None => problem,
        };
        self.out.error(problem);
    }

    fn local_text(&mut self, path: &Json) -> Option<String> {
        let data = self.local(path)?;
        let text = String::from_utf8(data).ok();
        if text.is_none() {
            let problem = Problem::new(&path.span, "the file is not UTF-8 text");
            self.out.error(problem);
        }
        text
    }

    /// Adds keys from files, one a line.
    fn keys_of_user(&mut self, written: &mut Object, sugar: &Object) {
        for path in sugar.list("sshAuthorizedKeysLocal") {
            let Some(text) = self.local_text(path) else { continue };
            let keys = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
            let list = written.list_mut("sshAuthorizedKeys", &path.span);
            let keys = keys.filter(|key| !key.is_empty());
            list.extend(keys.map(|key| Json::text(path.span.clone(), key)));
        }
    }

    fn unit(&mut self, written: &mut Object, sugar: &Object) {
        let Some(path) = sugar.get("contentsLocal") else { return };
        if written.get("contents").is_some() {
            let problem = Problem::new(&path.span, "contents come from one place");
            self.out.error(problem.expected("one of `contents` and `contents_local`"));
        } else if path.as_text() != Some("")
            && let Some(text) = self.local_text(path)
        {
            written.set("contents", &path.span, JsonValue::Text(text));
        }
    }

    /// Notes a file system that shall have a unit.
    fn filesystem(&mut self, written: &Object, sugar: &Object) {
        let Some(Json { span: asked, value: JsonValue::Flag(true) }) = sugar.get("withMountUnit")
        else {
            return;
        };
        let place = |key| written.get(key).map_or(asked, |json: &Json| &json.span);
        let text = |key| written.text(key).unwrap_or_default().to_owned();
        let (format, path) = (text("format"), text("path"));
        let swaps = self.release.minor >= 3;
        let problem = if format.is_empty() {
            Problem::new(place("format"), "a file system with a unit needs a `format`")
        } else if format == "swap" && !swaps {
            let message = "units for swap came with `version: 1.4.0`";
            Problem::new(place("format"), message)
        } else if format != "swap" && path.is_empty() {
            Problem::new(place("path"), "a file system that is to be mounted needs a `path`")
        } else {
            let options = written.list("mountOptions").iter().filter_map(Json::as_text);
            self.mounts.push(MountUnit {
                span: asked.clone(),
                device: text("device"),
                format,
                path,
                options: options.map(str::to_owned).collect(),
            });
            return;
        };
        self.out.error(problem);
    }

    /// Adds units for file systems before all others; what the configuration says of a unit of that
    /// name counts more.
    pub(crate) fn add_mount_units(&mut self, config: &mut Object) {
        let mounts = std::mem::take(&mut self.mounts);
        let Some(first) = mounts.first() else { return };
        let remote = with_network(config);
        let units = config.object_mut("systemd", &first.span).list_mut("units", &first.span);
        let mut own: Vec<Option<Json>> = units.drain(..).map(Some).collect();
        let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
        for (at, unit) in own.iter().enumerate().rev() {
            let name = unit.as_ref().and_then(Json::as_object).and_then(|unit| unit.text("name"));
            by_name.extend(name.map(|name| (name.to_owned(), at)));
        }
        for mount in mounts {
            let (name, span) = (mount.name(), &mount.span);
            let empty = || Json { span: span.clone(), value: JsonValue::Object(Object::default()) };
            let there = by_name.get(&name).and_then(|at| own[*at].take());
            let mut unit = there.unwrap_or_else(empty);
            if let Some(fields) = unit.as_object_mut() {
                let contents = mount.contents(remote.contains(&mount.device));
                fields.add("name", span, JsonValue::Text(name));
                fields.add("enabled", span, JsonValue::Flag(true));
                fields.add("contents", span, JsonValue::Text(contents));
            }
            units.push(unit);
        }
        units.extend(own.into_iter().flatten());
    }
}

/// Gives a resource contents that come from `span`.
pub(crate) fn embed(resource: &mut Object, span: &Range<usize>, contents: &[u8]) {
    let compressed_already = resource.filled("compression").is_some();
    let DataUrl { url, gzip } = DataUrl::shortest(contents, !compressed_already);
    resource.set("source", span, JsonValue::Text(url));
    if !compressed_already {
        // An empty one keeps what this is merged into from adding its own.
        let compression = if gzip { "gzip" } else { "" };
        resource.set("compression", span, JsonValue::Text(compression.to_owned()));
    }
}

/// Returns the devices that are opened with the help of a server.
fn with_network(config: &Object) -> BTreeSet<String> {
    const OPENED: [&str; 2] = ["/dev/mapper/", "/dev/disk/by-id/dm-name-"];
    let storage = config.get("storage").and_then(Json::as_object);
    let luks = storage.into_iter().flat_map(|storage| storage.list("luks"));
    let remote = luks.filter_map(Json::as_object).filter(|luks| {
        let clevis = luks.get("clevis").and_then(Json::as_object);
        clevis.is_some_and(|clevis| !clevis.list("tang").is_empty())
    });
    let names = remote.filter_map(|luks| luks.text("name"));
    names.flat_map(|name| OPENED.map(|folder| format!("{folder}{name}"))).collect()
}
