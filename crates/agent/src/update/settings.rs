use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::error::UpdateError;
use super::window::Window;

/// Where settings lie: what the image says, and over it, word by word, what this machine says.
const FILES: [&str; 2] = ["usr/share/flagstone/update.toml", "etc/flagstone/update.toml"];

/// How often the loader tries a new release, if nobody says otherwise.
const TRIES: u32 = 3;

/// What image and machine say about updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The address of the repository.
    pub url: Option<String>,
    /// The channel in it.
    pub channel: String,
    /// How often the loader tries a new release, 1 to 9.
    pub tries: u32,
    /// When the machine restarts into a new release by itself.
    pub reboot: Reboot,
    /// When it may, if that depends on the time.
    pub windows: Vec<Window>,
    /// Who has to allow it, if machines do it in turns.
    pub lock: Option<LockSettings>,
    /// Whether a machine that was on a network has to be with the new release, too.
    pub check_network: bool,
    /// Whether containerd, where it is, has to run.
    pub check_containerd: bool,
}

/// When the machine restarts into a new release by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reboot {
    /// Never: the release waits for somebody else to restart the machine.
    Off,
    /// As soon as it is written.
    Now,
    /// In the next window.
    Window,
    /// When the fleet's lock is had; in a window, if there are any.
    Lock,
}

/// The lock of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockSettings {
    /// The servers of etcd.
    pub etcd: Vec<String>,
    /// Machines that share the lock.
    #[serde(default = "default_group")]
    pub group: String,
    /// How many of them may be down at a time.
    #[serde(default = "default_slots")]
    pub slots: usize,
}

fn default_group() -> String {
    "default".to_owned()
}

fn default_slots() -> usize {
    1
}

/// One file; what it does not say is left to the other.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Layer {
    url: Option<String>,
    channel: Option<String>,
    tries: Option<u32>,
    reboot: Option<Reboot>,
    windows: Option<Vec<Window>>,
    lock: Option<LockSettings>,
    check_network: Option<bool>,
    check_containerd: Option<bool>,
}

impl Settings {
    /// Reads the settings below a root folder.
    ///
    /// # Errors
    /// [`UpdateError::Settings`], [`UpdateError::Read`].
    pub fn load(root: &Path) -> Result<Self, UpdateError> {
        let mut layers = Vec::new();
        for file in FILES {
            let path = root.join(file);
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(UpdateError::Read { path, source }),
            };
            layers.push(
                Layer::parse(&text).map_err(|reason| UpdateError::Settings { path, reason })?,
            );
        }
        Ok(Self::of(layers))
    }

    fn of(layers: Vec<Layer>) -> Self {
        let merged = layers.into_iter().fold(Layer::default(), |below, above| Layer {
            url: above.url.or(below.url),
            channel: above.channel.or(below.channel),
            tries: above.tries.or(below.tries),
            reboot: above.reboot.or(below.reboot),
            windows: above.windows.or(below.windows),
            lock: above.lock.or(below.lock),
            check_network: above.check_network.or(below.check_network),
            check_containerd: above.check_containerd.or(below.check_containerd),
        });
        Self {
            url: merged.url,
            channel: merged.channel.unwrap_or_else(|| "stable".to_owned()),
            tries: merged.tries.unwrap_or(TRIES),
            reboot: merged.reboot.unwrap_or(Reboot::Now),
            windows: merged.windows.unwrap_or_default(),
            lock: merged.lock,
            check_network: merged.check_network.unwrap_or(true),
            check_containerd: merged.check_containerd.unwrap_or(true),
        }
    }
}

impl Layer {
    fn parse(text: &str) -> Result<Self, String> {
        let layer: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!("line {line}: {}", error.message())
        })?;
        if layer.tries.is_some_and(|tries| !(1..=9).contains(&tries)) {
            return Err("tries is a number from 1 to 9".to_owned());
        }
        if layer.reboot == Some(Reboot::Window) && layer.windows.as_ref().is_none_or(Vec::is_empty)
        {
            return Err(
                "reboot = \"window\" needs windows, such as [\"Sat 02:00-04:00\"]".to_owned()
            );
        }
        if layer.reboot == Some(Reboot::Lock)
            && layer.lock.as_ref().is_none_or(|lock| lock.etcd.is_empty() || lock.slots == 0)
        {
            return Err("reboot = \"lock\" needs [lock] etcd = [\"http://…\"]".to_owned());
        }
        Ok(layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_the_last_word() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let none = Settings::load(dir.path()).unwrap();
        assert_eq!((none.url, none.channel.as_str(), none.tries), (None, "stable", 3));
        put(FILES[0], "url = \"http://a.test\"\nchannel = \"beta\"\nreboot = \"off\"\n");
        put(FILES[1], "channel = \"lts\"\ntries = 1\ncheck-network = false\n");
        let both = Settings::load(dir.path()).unwrap();
        assert_eq!(both.url.as_deref(), Some("http://a.test"));
        assert_eq!((both.channel.as_str(), both.tries, both.reboot), ("lts", 1, Reboot::Off));
        assert!(!both.check_network && both.check_containerd);
        for (text, expected) in [
            ("\nchanel = \"x\"\n", "line 2: unknown field `chanel`"),
            ("tries = 0", "1 to 9"),
            ("reboot = \"window\"", "needs windows"),
            ("windows = [\"Someday\"]", "line 1"),
            ("reboot = \"lock\"", "needs [lock]"),
            ("[lock]\netcd = []\nslot = 1", "line 3"),
            ("url = ", "line 1"),
        ] {
            put(FILES[1], text);
            let error = Settings::load(dir.path()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("etc/flagstone"), "{error}");
        }
    }
}
