use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_artifact::Architecture;
use flagstone_build::{DiskSum, Existing, Names};
use flagstone_console::diagnose;
use flagstone_recipe::{DiskReader, Recipe};
use flagstone_serve::BootScript;

use super::build::{BuildOptions, build_recipe};
use super::ignition::given;
use crate::arguments::{DEFAULT_RECIPE, SourceArguments};
use crate::machine::{Boots, Machine, Netboot};
use crate::report::{self, Hinted};

/// Arguments of `flagstone run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A disk image (`*.raw`), the path of a recipe, or the name of a shipped one; a recipe is
    /// built first
    #[arg(default_value = DEFAULT_RECIPE)]
    target: String,

    /// Folder of the artefacts, where a recipe is named
    #[arg(short, long, value_name = "DIR", default_value = "out")]
    out: PathBuf,

    /// Memory of the machine, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: u32,

    /// Size of the machine's disk, which lies over the image
    #[arg(long, value_name = "SIZE", default_value = "8G")]
    disk_size: String,

    /// Keep the machine's disk and firmware variables in this folder, and go on with them
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Give the system a credential; a value that starts with @ names a file
    #[arg(long = "credential", value_name = "NAME=VALUE", value_parser = credential)]
    credentials: Vec<(String, String)>,

    /// Ask for a log-in on the console instead of logging root in
    #[arg(long)]
    no_autologin: bool,

    /// Port of this machine that leads to the system's ssh
    #[arg(long, value_name = "PORT")]
    ssh_port: Option<u16>,

    /// Boot what boots from the network, from memory: kernel and initrd beside the disk image
    #[arg(long)]
    pxe: bool,

    /// Add to the kernel's command line; with --pxe only
    #[arg(long, value_name = "ARGUMENTS", requires = "pxe", allow_hyphen_values = true)]
    append: Option<String>,

    /// Give the machine a TPM 2.0, by swtpm; its secrets are kept with the machine's state
    #[arg(long)]
    tpm: bool,

    /// Give Ignition this configuration, JSON or Butane, at the first boot
    #[arg(long, value_name = "FILE")]
    ignition: Option<PathBuf>,

    #[command(flatten)]
    sources: SourceArguments,

    /// Further arguments for QEMU
    #[arg(last = true, value_name = "QEMU ARGUMENTS")]
    extra: Vec<OsString>,
}

impl Run {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let (image, architecture) = self.image()?;
        let temporary;
        let state = if let Some(dir) = &self.state {
            fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
            dir.as_path()
        } else {
            temporary = tempfile::Builder::new().prefix("flagstone-").tempdir()?;
            temporary.path()
        };
        if let Some(path) = self.ignition.as_ref().filter(|path| !path.is_file()) {
            let hint = "name a configuration for Ignition that is there, with --ignition";
            return Err(Hinted::new(format!("there is no {}", path.display()), hint).into());
        }
        let ignition = self.ignition.as_deref().map(|path| given(path, state)).transpose()?;
        let netboot = self.pxe.then(|| self.netboot(&image)).transpose()?;
        report::say(&format!("booting {}; Ctrl-A X ends the machine", image.display()));
        let machine = Machine {
            architecture,
            boots: netboot.as_ref().map_or(Boots::Disk(&image), Boots::Netboot),
            state,
            memory_mib: self.memory,
            disk_size: &self.disk_size,
            credentials: &self.credentials()?,
            ssh_port: self.ssh_port,
            ignition: ignition.as_deref(),
            extra: &self.extra,
            write_log: None,
            tpm: self.tpm,
            console: None,
        };
        let status = machine.run()?;
        if !status.success() {
            anyhow::bail!("QEMU ended with {status}");
        }
        tell_where_it_stopped(&machine.said()?)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Finds the image, building it first where a recipe is named.
    fn image(&self) -> Result<(PathBuf, Architecture)> {
        let path = Path::new(&self.target);
        if path.extension().is_some_and(|extension| extension == "raw") {
            if !path.is_file() {
                let hint = "name an image that is there, or a recipe";
                return Err(Hinted::new(format!("there is no {}", path.display()), hint).into());
            }
            // The name says the architecture (UAPI version format); other names are taken as x86-64.
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let arm = stem.ends_with(&format!("_{}", Architecture::Arm64));
            let named = if arm { Architecture::Arm64 } else { Architecture::X86_64 };
            let architecture = self.sources.arch.unwrap_or(named);
            return Ok((path.to_owned(), architecture));
        }
        let options = BuildOptions {
            existing: Existing::Replace,
            commands: None,
            disk_sum: DiskSum::Skip,
            netboot: true,
        };
        build_recipe(&self.target, &self.out, options, &self.sources)?;
        let recipe = Recipe::load_for(&self.target, self.sources.arch, &DiskReader)?;
        let name = Names::new(&recipe.image, true).raw();
        Ok((self.out.join(name), recipe.image.architecture))
    }

    /// Finds script, kernel and initrd beside a disk image.
    fn netboot(&self, image: &Path) -> Result<Netboot> {
        let there = |path: PathBuf| -> Result<PathBuf> {
            if !path.is_file() {
                let hint = "build without --no-pxe";
                return Err(Hinted::new(format!("there is no {}", path.display()), hint).into());
            }
            Ok(path)
        };
        let path = there(image.with_extension("pxe.ipxe"))?;
        let text = fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        let script = BootScript::parse(&text).map_err(|expected| {
            anyhow::anyhow!("{} is no boot script: {expected}", path.display())
        })?;
        let [initrd] = script.initrd.as_slice() else {
            anyhow::bail!("{} names {} initrds, not one", path.display(), script.initrd.len());
        };
        let words = script.cmdline.iter().chain(&self.append);
        Ok(Netboot {
            kernel: there(path.with_file_name(&script.kernel))?,
            initrd: there(path.with_file_name(initrd))?,
            cmdline: words.map(String::as_str).collect::<Vec<_>>().join(" "),
        })
    }

    fn credentials(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut all = Vec::new();
        if !self.no_autologin {
            all.push(("agetty.autologin".to_owned(), b"root".to_vec()));
            all.push(("login.noauth".to_owned(), b"yes".to_vec()));
        }
        for (name, value) in &self.credentials {
            let value = match value.strip_prefix('@') {
                Some(path) => fs::read(path).with_context(|| format!("failed to read {path}"))?,
                None => value.clone().into_bytes(),
            };
            all.push((name.clone(), value));
        }
        Ok(all)
    }
}

/// Says why a machine did not reach boot-complete.target. Where no line shows why, somebody may just have ended
/// it: that is no error.
fn tell_where_it_stopped(console: &str) -> Result<()> {
    match diagnose(console) {
        Some(diagnosis) if diagnosis.is_shown => {
            Err(Hinted::new(diagnosis.to_string(), diagnosis.hint).into())
        }
        Some(diagnosis) => {
            report::note(&diagnosis.to_string());
            Ok(())
        }
        None => Ok(()),
    }
}

fn credential(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err("a credential's name has letters, digits, \".\", \"_\", \"-\" and \"@\"".into());
    }
    Ok((name.to_owned(), value.to_owned()))
}
