//! A virtual machine: QEMU with UEFI firmware and a disk that is never changed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use flagstone_artifact::Architecture;

use crate::report::Hinted;
use crate::tpm::Tpm;

/// How much of a console's end is read: hundreds of boots.
const CONSOLE_MAX: u64 = 16 << 20;

/// How long KVM may take to start and stop a machine without a guest.
const KVM_PROBE: Duration = Duration::from_secs(5);

/// What to boot, and how.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) architecture: Architecture,
    pub(crate) boots: Boots<'a>,
    /// Where the machine's own changes are kept: its disk and firmware variables.
    pub(crate) state: &'a Path,
    pub(crate) memory_mib: u32,
    pub(crate) disk_size: &'a str,
    /// System credentials (systemd.system-credentials(7)), as name and value.
    pub(crate) credentials: &'a [(String, Vec<u8>)],
    /// A port of this machine that leads to the guest's ssh.
    pub(crate) ssh_port: Option<u16>,
    /// A configuration for Ignition.
    pub(crate) ignition: Option<&'a Path>,
    /// More arguments for QEMU.
    pub(crate) extra: &'a [OsString],
    /// Where all writes to the disk are recorded, in the format of dm-log-writes.
    pub(crate) write_log: Option<&'a Path>,
    /// Whether it has a TPM 2.0.
    pub(crate) tpm: bool,
    /// Where the serial console goes, in place of this terminal.
    pub(crate) console: Option<&'a fs::File>,
}

/// What a machine boots from.
#[derive(Debug)]
pub(crate) enum Boots<'a> {
    /// A disk image, read only, by firmware and loader.
    Disk(&'a Path),
    /// What came over a network, as its loader would start it; the machine has no disk.
    Netboot(&'a Netboot),
}

/// Kernel, initrd and command line.
#[derive(Debug)]
pub(crate) struct Netboot {
    pub(crate) kernel: PathBuf,
    pub(crate) initrd: PathBuf,
    pub(crate) cmdline: String,
}

/// The environment variable that names a folder to take firmware from, in place of `/usr/share`.
const FIRMWARE_VARIABLE: &str = "FLAGSTONE_FIRMWARE";

/// Firmware code and the variables it starts with.
struct Firmware {
    code: PathBuf,
    variables: PathBuf,
}

impl Machine<'_> {
    /// Boots, with the serial console on this terminal, until the machine powers off.
    pub(crate) fn run(&self) -> Result<ExitStatus> {
        let tpm = self.tpm.then(|| Tpm::start(self.state)).transpose()?;
        let (emulator, mut command) = self.command()?;
        command.args(tpm.iter().flat_map(|tpm| tpm.arguments(self.architecture)));
        command.status().with_context(|| format!("failed to start {}", emulator.display()))
    }

    /// Boots until the machine powers off, or the time is over; tells which.
    pub(crate) fn run_for(&self, limit: Duration) -> Result<bool> {
        let tpm = self.tpm.then(|| Tpm::start(self.state)).transpose()?;
        let (emulator, mut command) = self.command()?;
        command.args(tpm.iter().flat_map(|tpm| tpm.arguments(self.architecture)));
        let child = command.spawn();
        let mut child = child.with_context(|| format!("failed to start {}", emulator.display()))?;
        let start = Instant::now();
        while child.try_wait().context("failed to wait for QEMU")?.is_none() {
            if start.elapsed() > limit {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(true)
    }

    /// Returns the end of what the machine said on its serial console.
    pub(crate) fn said(&self) -> Result<String> {
        let path = self.serial_log();
        let read = || {
            let mut file = fs::File::open(&path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(CONSOLE_MAX)))?;
            let mut bytes = Vec::new();
            file.take(CONSOLE_MAX).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(flagstone_console::plain(&bytes))
        };
        read().with_context(|| format!("failed to read {}", path.display()))
    }

    fn serial_log(&self) -> PathBuf {
        self.state.join("serial.log")
    }

    fn command(&self) -> Result<(PathBuf, Command)> {
        let emulator = emulator(self.architecture)?;
        let mut command = Command::new(&emulator);
        command.args(["-nodefaults", "-nographic", "-smp", "2"]);
        // As "-serial mon:stdio", and what the machine says is kept.
        let serial = drive_path("stdio,id=console,mux=on,signal=off,logfile=", &self.serial_log());
        command.arg("-chardev").arg(serial);
        command.args(["-serial", "chardev:console", "-mon", "chardev=console"]);
        command.args(["-m", &self.memory_mib.to_string()]);
        self.add_processor(&emulator, &mut command);
        match self.boots {
            Boots::Disk(image) => self.add_disk(image, &mut command)?,
            Boots::Netboot(Netboot { kernel, initrd, cmdline }) => {
                command.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
                command.arg("-append").arg(cmdline);
            }
        }
        command.args(["-device", "virtio-rng-pci"]);
        let forward = self.ssh_port.map(|port| format!(",hostfwd=tcp:127.0.0.1:{port}-:22"));
        command.arg("-nic").arg(format!("user,model=virtio{}", forward.unwrap_or_default()));
        if let Some(path) = self.ignition {
            command.arg("-fw_cfg").arg(drive_path("name=opt/com.coreos/config,file=", path));
        }
        for (name, value) in self.credentials {
            let path = self.credential_file(name, value)?;
            command.arg("-smbios").arg(drive_path("type=11,path=", &path));
        }
        command.args(self.extra);
        if let Some(console) = self.console {
            let console = console.try_clone().context("failed to write the console's log")?;
            command.stdin(Stdio::null()).stdout(console);
        }
        Ok((emulator, command))
    }

    fn add_disk(&self, image: &Path, command: &mut Command) -> Result<()> {
        let named = std::env::var_os(FIRMWARE_VARIABLE).filter(|folder| !folder.is_empty());
        let firmware = firmware(self.architecture, named.as_ref().map(Path::new))?;
        let disk = self.prepare_disk(image)?;
        let variables = self.state.join("firmware-variables.fd");
        if !variables.exists() {
            fs::copy(&firmware.variables, &variables)
                .with_context(|| format!("failed to write {}", variables.display()))?;
        }
        command.arg("-drive").arg(drive("if=pflash,format=raw,readonly=on", &firmware.code));
        command.arg("-drive").arg(drive("if=pflash,format=raw", &variables));
        match self.write_log {
            None => {
                command.arg("-drive").arg(drive("if=virtio,format=qcow2,cache=unsafe", &disk));
            }
            Some(log) => add_recorded_disk(&disk, log, command)?,
        }
        Ok(())
    }

    /// Makes a disk on top of the image, larger, so that ROOT has something to grow into.
    fn prepare_disk(&self, image: &Path) -> Result<PathBuf> {
        let disk = self.state.join("disk.qcow2");
        if disk.exists() {
            return Ok(disk);
        }
        let found = image.canonicalize();
        let image = found.with_context(|| format!("failed to find {}", image.display()))?;
        let form = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b"].map(OsStr::new);
        let files = [image.as_os_str(), disk.as_os_str(), OsStr::new(self.disk_size)];
        qemu_img(&[&form[..], &files].concat()).context("failed to make the machine's disk")?;
        Ok(disk)
    }

    fn add_processor(&self, emulator: &Path, command: &mut Command) {
        let machine = match self.architecture {
            // Nothing is behind the controller of SATA disks that this one has otherwise, and guests look there.
            Architecture::X86_64 => "q35,sata=off",
            Architecture::Arm64 => "virt",
        };
        command.args(["-M", machine]);
        if self.architecture.processor() == std::env::consts::ARCH && kvm_works(emulator, machine) {
            command.args(["-accel", "kvm", "-cpu", "host"]);
        } else {
            // The fifth level of page tables of "max" makes each walk of an emulator longer; where a processor has
            // what KVM takes, guests load that; pointer authentication by its real cipher makes emulated Arm
            // several times slower.
            let model = match self.architecture {
                Architecture::X86_64 => "EPYC,check=off,svm=off",
                Architecture::Arm64 => "max,pauth-impdef=on",
            };
            command.args(["-accel", "tcg,thread=multi", "-cpu", model]);
        }
    }

    /// Writes a credential as the SMBIOS string that systemd reads.
    fn credential_file(&self, name: &str, value: &[u8]) -> Result<PathBuf> {
        let path = self.state.join(format!("credential-{name}"));
        let mut text = format!("io.systemd.credential.binary:{name}=").into_bytes();
        text.extend_from_slice(base64(value).as_bytes());
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path)
    }
}

/// Copies a disk to a plain file, with holes for zeros; `format` is what it is.
pub(crate) fn copy_disk(from: &Path, format: &str, to: &Path) -> Result<()> {
    let form = ["convert", "-q", "-f", format, "-O", "raw"].map(OsStr::new);
    let context = || format!("failed to copy {}", from.display());
    qemu_img(&[&form[..], &[from.as_os_str(), to.as_os_str()]].concat()).with_context(context)
}

fn qemu_img(arguments: &[&OsStr]) -> Result<()> {
    let program = find_program("qemu-img").ok_or_else(|| missing("qemu-img"))?;
    let output = Command::new(program).args(arguments).output();
    let output = output.context("failed to start qemu-img")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Adds a disk of which every write and every flush is recorded. The disk itself need keep no promises.
fn add_recorded_disk(disk: &Path, log: &Path, command: &mut Command) -> Result<()> {
    fs::File::create(log).with_context(|| format!("failed to write {}", log.display()))?;
    let careless = serde_json::json!({ "no-flush": true });
    let recorded = serde_json::json!({
        "driver": "blklogwrites",
        "node-name": "recorded",
        "file": {
            "driver": "qcow2",
            "cache": careless,
            "file": { "driver": "file", "filename": disk, "cache": careless },
        },
        "log": { "driver": "file", "filename": log, "cache": careless },
    });
    command.args(["-blockdev", &recorded.to_string()]);
    command.args(["-device", "virtio-blk-pci,drive=recorded,write-cache=on,bootindex=0"]);
    Ok(())
}

/// Tells whether KVM can really start a machine: the device may be there, and readable, and still
/// be of no use inside some virtual machines.
fn kvm_works(emulator: &Path, machine: &str) -> bool {
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return false;
    }
    let arguments = ["-accel", "kvm", "-cpu", "host", "-M", machine, "-nodefaults", "-display"];
    let started = Command::new(emulator)
        .args(arguments)
        .args(["none", "-S", "-monitor", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else { return false };
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(b"quit\n");
    }
    let start = Instant::now();
    while start.elapsed() < KVM_PROBE {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

fn emulator(architecture: Architecture) -> Result<PathBuf> {
    let name = match architecture {
        Architecture::X86_64 => "qemu-system-x86_64",
        Architecture::Arm64 => "qemu-system-aarch64",
    };
    find_program(name).ok_or_else(|| missing(name).into())
}

fn missing(what: &str) -> Hinted {
    let hint = "run `apt-get install qemu-system-x86 qemu-utils ovmf` (for arm64: \
                qemu-system-arm qemu-efi-aarch64)";
    Hinted::new(format!("{what} is not installed"), hint)
}

/// Finds UEFI firmware in the folder that was named, else in that of the system.
fn firmware(architecture: Architecture, named: Option<&Path>) -> Result<Firmware> {
    let known: &[(&str, &str)] = match architecture {
        Architecture::X86_64 => &[
            ("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"),
            ("edk2/x64/OVMF_CODE.4m.fd", "edk2/x64/OVMF_VARS.4m.fd"),
            ("OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd"),
        ],
        Architecture::Arm64 => &[("AAVMF/AAVMF_CODE.fd", "AAVMF/AAVMF_VARS.fd")],
    };
    let folder = named.unwrap_or(Path::new("/usr/share"));
    let found = known
        .iter()
        .map(|(code, variables)| Firmware {
            code: folder.join(code),
            variables: folder.join(variables),
        })
        .find(|firmware| firmware.code.is_file() && firmware.variables.is_file());
    if let Some(firmware) = found {
        return Ok(firmware);
    }
    if named.is_none() {
        return Err(missing("UEFI firmware for virtual machines").into());
    }
    let (code, variables) = known[0];
    let what = format!(
        "{FIRMWARE_VARIABLE}: there is no firmware in {}: expected {code} and {variables}",
        folder.display()
    );
    let hint = "it names a folder like /usr/share";
    Err(Hinted::new(what, hint).into())
}

/// Finds a program in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// Writes QEMU's option for a drive; a comma in a path is doubled.
fn drive(options: &str, path: &Path) -> OsString {
    drive_path(&format!("{options},file="), path)
}

fn drive_path(prefix: &str, path: &Path) -> OsString {
    let mut option = OsString::from(prefix);
    option.push(path.to_string_lossy().replace(',', ",,"));
    option
}

/// Encodes bytes (RFC 4648, section 4).
fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let index = bits >> (18 - 6 * i) & 63;
            let symbol = char::from(ALPHABET[index as usize]);
            text.push(if i <= chunk.len() { symbol } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_is_code_and_variables_in_the_named_folder() {
        let dir = tempfile::tempdir().unwrap();
        let find = || firmware(Architecture::X86_64, Some(dir.path()));
        let (code, variables) = ("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd");
        fs::create_dir(dir.path().join("OVMF")).unwrap();
        for missing in [code, variables] {
            let words = find().map(|_| ()).unwrap_err().to_string();
            assert!(words.contains(&dir.path().display().to_string()), "{words}");
            assert!(words.contains(code) && words.contains(variables), "{words}");
            fs::write(dir.path().join(missing), "").unwrap();
        }
        let found = find().unwrap();
        assert_eq!(found.code, dir.path().join(code));
        assert_eq!(found.variables, dir.path().join(variables));
    }

    #[test]
    fn base64_gives_the_vectors_of_the_rfc() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn commas_in_paths_do_not_end_an_option() {
        assert_eq!(drive("format=raw", Path::new("/a,b")), "format=raw,file=/a,,b");
    }
}
