use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::options;
use super::packet::{DhcpPacket, MAX_FILE};
use crate::config::HttpBoot;
use crate::label::Labels;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACKNOWLEDGE: u8 = 5;
const INFORM: u8 = 8;

/// UEFI that boots by HTTP, as IANA numbers processor architectures (RFC 5970, section 3.3).
const HTTP_X86_64: u16 = 16;
const HTTP_ARM64: u16 = 19;
/// The kind of hardware address (RFC 1700, "Hardware Type").
const ETHERNET: u8 = 1;
/// Where relays listen.
const RELAY_PORT: u16 = 67;
/// PXE's own options inside option 43: discovery control (6), one byte, "start the boot file of
/// this packet, ask nobody and nothing else" (8), end (PXE specification 2.1, section 2.2.3).
const START_BOOT_FILE: [u8; 4] = [6, 1, 8, 255];

/// What proxy DHCP tells machines. File names are those of the served tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// The address machines reach the server at.
    pub address: Ipv4Addr,
    /// The URL they reach it at, without a slash at its end.
    pub base: String,
    /// What starts a BIOS.
    pub bios: Option<String>,
    /// What starts UEFI on x86-64.
    pub efi_x86_64: Option<String>,
    /// What starts UEFI on arm64.
    pub efi_arm64: Option<String>,
    /// What UEFI that boots by HTTP is given.
    pub http_boot: HttpBoot,
}

/// An answer and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAnswer {
    /// The answer.
    pub packet: DhcpPacket,
    /// Where it goes.
    pub to: SocketAddr,
    /// The boot file in it, for the log.
    pub boot: String,
}

impl ProxyAnswer {
    /// Answers a packet that came from `from`; `None` if it is none of our business: from a client
    /// that does not boot from the network, for the server that hands out addresses, or for
    /// firmware that nothing here starts.
    ///
    /// `is_boot_port` tells whether it came to the port of the boot server (4011), where clients
    /// have an address and mean this server. `uki` is the UKI that the machine boots, if it has one.
    pub fn to(
        packet: &DhcpPacket,
        from: SocketAddrV4,
        is_boot_port: bool,
        settings: &ProxySettings,
        uki: Option<&str>,
    ) -> Option<Self> {
        let kind = packet.options.get(&options::MESSAGE_TYPE).and_then(|kind| kind.first());
        let kind = match (kind?, is_boot_port) {
            (&DISCOVER, false) => OFFER,
            (&REQUEST | &INFORM, true) => ACKNOWLEDGE,
            _ => return None,
        };
        let class = packet.text(options::CLASS).filter(|_| packet.is_request)?;
        let is_http = class.starts_with("HTTPClient");
        if !is_http && !class.starts_with("PXEClient") {
            return None;
        }
        let boot = boot_file(packet, class, is_http, settings, uki)?;
        Some(Self {
            packet: reply(packet, kind, is_http, &boot, settings),
            to: destination(packet, from),
            boot,
        })
    }
}

/// Chooses what the firmware starts.
fn boot_file(
    packet: &DhcpPacket,
    class: &str,
    is_http: bool,
    settings: &ProxySettings,
    uki: Option<&str>,
) -> Option<String> {
    let ProxySettings { base, bios, efi_x86_64, efi_arm64, http_boot, .. } = settings;
    if is_ipxe(packet) {
        return Some(format!("{base}/boot.ipxe"));
    }
    // The processor architectures of RFC 4578 as IANA has corrected and continued them.
    let program = match (architecture(packet, class)?, is_http) {
        (0, false) => bios.as_deref(),
        (7 | 9, false) | (HTTP_X86_64, true) => efi_x86_64.as_deref(),
        (11, false) | (HTTP_ARM64, true) => efi_arm64.as_deref(),
        _ => return None,
    };
    if !is_http {
        return program.map(str::to_owned);
    }
    let file = match http_boot {
        HttpBoot::Ipxe => program.or(uki),
        HttpBoot::Uki => uki.or(program),
    }?;
    Some(format!("{base}/files/{}", crate::percent::encode(file, "/:@,+=")))
}

/// Returns what a request says about the machine, by the names that iPXE uses; nothing if it is not
/// from UEFI that boots by HTTP, or has lost its way.
pub(crate) fn labels_for_http(packet: &DhcpPacket) -> Option<Labels> {
    let class = packet.text(options::CLASS)?;
    let arch = match architecture(packet, class).filter(|_| class.starts_with("HTTPClient"))? {
        HTTP_X86_64 => "x86_64",
        HTTP_ARM64 => "arm64",
        _ => return None,
    };
    let mut values = vec![("arch", arch.to_owned())];
    if (packet.hardware, packet.hardware_len) == (ETHERNET, 6) {
        values.push(("mac", packet.client_text()));
    }
    values.extend(packet.options.get(&options::MACHINE).and_then(uuid).map(|uuid| ("uuid", uuid)));
    let mut labels = Labels::default();
    for (name, value) in values {
        labels.insert(name.parse().ok()?, &value).ok()?;
    }
    Some(labels)
}

/// Reads a machine's UUID as its firmware has it (SMBIOS 2.6, section 7.2.1): behind a zero, its
/// first three numbers little-endian.
fn uuid(option: &Vec<u8>) -> Option<String> {
    /// The bytes in the order they are written in, group by group.
    const GROUPS: [&[usize]; 5] =
        [&[4, 3, 2, 1], &[6, 5], &[8, 7], &[9, 10], &[11, 12, 13, 14, 15, 16]];
    let bytes: &[u8; 17] =
        option.as_slice().try_into().ok().filter(|bytes: &&[u8; 17]| bytes[0] == 0)?;
    let group = |places: &&[usize]| -> String {
        places.iter().map(|place| format!("{:02x}", bytes[*place])).collect::<Vec<_>>().concat()
    };
    Some(GROUPS.iter().map(group).collect::<Vec<_>>().join("-"))
}

/// iPXE names itself as user class, with or without the length that RFC 3004 wants before it.
fn is_ipxe(packet: &DhcpPacket) -> bool {
    let class = packet.options.get(&options::USER_CLASS).map(Vec::as_slice);
    packet.options.contains_key(&options::IPXE) || matches!(class, Some(b"iPXE" | b"\x04iPXE"))
}

/// Reads the architecture from its option, or from the class: `PXEClient:Arch:00007:UNDI:003016`.
fn architecture(packet: &DhcpPacket, class: &str) -> Option<u16> {
    let option = packet.options.get(&options::ARCHITECTURE).and_then(|value| value.first_chunk());
    option.map(|bytes| u16::from_be_bytes(*bytes)).or_else(|| {
        let mut words = class.split(':').skip_while(|word| *word != "Arch");
        words.nth(1).and_then(|number| number.parse().ok())
    })
}

fn reply(
    request: &DhcpPacket,
    kind: u8,
    is_http: bool,
    boot: &str,
    settings: &ProxySettings,
) -> DhcpPacket {
    let class: &[u8] = if is_http { b"HTTPClient" } else { b"PXEClient" };
    let mut answer = BTreeMap::from([
        (options::MESSAGE_TYPE, vec![kind]),
        (options::SERVER, settings.address.octets().to_vec()),
        (options::CLASS, class.to_vec()),
        (options::BOOT_FILE, boot.as_bytes().to_vec()),
    ]);
    if !is_http {
        answer.insert(options::VENDOR, START_BOOT_FILE.to_vec());
        answer.insert(options::BOOT_SERVER, settings.address.to_string().into_bytes());
    }
    if let Some(machine) = request.options.get(&options::MACHINE) {
        answer.insert(options::MACHINE, machine.iter().copied().take(17).collect());
    }
    // A name that was cut off would be another one.
    let file = if boot.len() <= MAX_FILE { boot } else { "" };
    DhcpPacket {
        is_request: false,
        next_server: settings.address,
        client_address: Ipv4Addr::UNSPECIFIED,
        file: file.as_bytes().to_vec(),
        options: answer,
        ..*request
    }
}

/// Answers go to the relay, to a client that has an address, or to everybody.
fn destination(packet: &DhcpPacket, from: SocketAddrV4) -> SocketAddr {
    if !packet.relay.is_unspecified() {
        return SocketAddr::from((packet.relay, RELAY_PORT));
    }
    let to = if from.ip().is_unspecified() { Ipv4Addr::BROADCAST } else { *from.ip() };
    SocketAddr::from((to, from.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::packet::example;

    fn settings() -> ProxySettings {
        ProxySettings {
            address: Ipv4Addr::new(192, 0, 2, 1),
            base: "http://192.0.2.1:8080".to_owned(),
            bios: Some("undionly.kpxe".to_owned()),
            efi_x86_64: Some("ipxe.efi".to_owned()),
            efi_arm64: None,
            http_boot: HttpBoot::Ipxe,
        }
    }

    const ANYBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);

    fn answer(change: impl FnOnce(&mut DhcpPacket), is_boot_port: bool) -> Option<ProxyAnswer> {
        let mut packet = example();
        change(&mut packet);
        ProxyAnswer::to(&packet, ANYBODY, is_boot_port, &settings(), Some("a b.efi"))
    }

    fn boots(class: &str, architecture: u8, further: Option<(u8, &[u8])>) -> Option<String> {
        let answer = answer(
            |packet| {
                packet.options.insert(options::CLASS, class.as_bytes().to_vec());
                packet.options.insert(options::ARCHITECTURE, vec![0, architecture]);
                packet.options.extend(further.map(|(number, value)| (number, value.to_vec())));
            },
            false,
        );
        answer.map(|answer| answer.boot)
    }

    #[test]
    fn firmware_gets_the_program_for_it() {
        let script = Some("http://192.0.2.1:8080/boot.ipxe");
        let (pxe, http) = ("PXEClient:Arch:00000", "HTTPClient:Arch:00016:UNDI:003001");
        for (class, architecture, further, file) in [
            (pxe, 0, None, Some("undionly.kpxe")),
            (pxe, 7, None, Some("ipxe.efi")),
            (pxe, 9, None, Some("ipxe.efi")),
            (pxe, 11, None, None),
            (pxe, 6, None, None),
            (pxe, 16, None, None),
            (http, 16, None, Some("http://192.0.2.1:8080/files/ipxe.efi")),
            (http, 19, None, Some("http://192.0.2.1:8080/files/a%20b.efi")),
            (http, 7, None, None),
            (pxe, 0, Some((options::USER_CLASS, &b"iPXE"[..])), script),
            (pxe, 7, Some((options::USER_CLASS, b"\x04iPXE")), script),
            (pxe, 7, Some((options::USER_CLASS, b"other")), Some("ipxe.efi")),
            (pxe, 11, Some((options::IPXE, b"\x01")), script),
            ("MSFT 5.0", 0, None, None),
            ("", 0, Some((options::IPXE, b"\x01")), None),
        ] {
            let boots = boots(class, architecture, further);
            assert_eq!(boots.as_deref(), file, "{class} {architecture} {further:?}");
        }
    }

    fn http_client(architecture: u8) -> DhcpPacket {
        let mut packet = example();
        packet.options.insert(options::CLASS, b"HTTPClient:Arch:00016:UNDI:003001".to_vec());
        packet.options.insert(options::ARCHITECTURE, vec![0, architecture]);
        packet
    }

    #[test]
    fn firmware_that_boots_by_http_gets_what_is_preferred_or_there() {
        let (ipxe, uki) = (Some("ipxe.efi"), Some("u.efi"));
        for (http_boot, has_ipxe, has_uki, file) in [
            (HttpBoot::Ipxe, true, true, ipxe),
            (HttpBoot::Ipxe, false, true, uki),
            (HttpBoot::Ipxe, false, false, None),
            (HttpBoot::Uki, true, true, uki),
            (HttpBoot::Uki, true, false, ipxe),
            (HttpBoot::Uki, false, false, None),
        ] {
            let efi_x86_64 = ipxe.filter(|_| has_ipxe).map(str::to_owned);
            let settings = ProxySettings { efi_x86_64, http_boot, ..settings() };
            let uki = uki.filter(|_| has_uki);
            let answer = ProxyAnswer::to(&http_client(16), ANYBODY, false, &settings, uki);
            let boot = answer.map(|answer| answer.boot);
            let url = file.map(|file| format!("http://192.0.2.1:8080/files/{file}"));
            assert_eq!(boot, url, "{http_boot:?} {has_ipxe} {has_uki}");
        }
    }

    /// EDK2 takes an offer for one of HTTP boot only by its class, and wants the URL in option 67.
    #[test]
    fn the_answer_to_http_boot_has_no_options_of_pxe() {
        let answer = ProxyAnswer::to(&http_client(16), ANYBODY, false, &settings(), None).unwrap();
        let packet = DhcpPacket::parse(&answer.packet.to_bytes()).unwrap();
        assert_eq!(packet.options[&options::CLASS], b"HTTPClient");
        let url = b"http://192.0.2.1:8080/files/ipxe.efi";
        assert_eq!(packet.options[&options::BOOT_FILE], url);
        assert_eq!(packet.options[&options::SERVER], [192, 0, 2, 1]);
        for absent in [options::VENDOR, options::BOOT_SERVER, options::OVERLOAD] {
            assert!(!packet.options.contains_key(&absent), "{absent}");
        }
    }

    #[test]
    fn a_machine_that_boots_by_http_is_known_by_what_it_sends() {
        let mut packet = http_client(19);
        let machine = [vec![0], (0..16).collect()].concat();
        packet.options.insert(options::MACHINE, machine);
        let shown = "arch=arm64&mac=52:54:00:12:34:56&uuid=03020100-0504-0706-0809-0a0b0c0d0e0f";
        let labels = |packet: &DhcpPacket| labels_for_http(packet).map(|labels| labels.to_query());
        assert_eq!(labels(&packet).as_deref(), Some(shown));
        packet.options.insert(options::MACHINE, vec![0; 16]);
        packet.hardware = 32;
        assert_eq!(labels(&packet).as_deref(), Some("arch=arm64"));
        packet.options.insert(options::ARCHITECTURE, vec![0, 7]);
        assert_eq!(labels(&packet), None);
        assert_eq!(labels(&example()), None);
    }

    #[test]
    fn the_answer_says_what_firmware_looks_for_and_gives_no_address() {
        let ProxyAnswer { packet, to, .. } = answer(|_| {}, false).unwrap();
        let bytes = packet.to_bytes();
        assert_eq!(bytes[0], 2);
        assert_eq!(bytes[16..20], [0; 4]);
        assert_eq!(bytes[20..24], [192, 0, 2, 1]);
        assert_eq!(packet.options[&options::MESSAGE_TYPE], [OFFER]);
        assert_eq!(packet.options[&options::MACHINE], example().options[&options::MACHINE]);
        assert_eq!(packet.options[&options::VENDOR], START_BOOT_FILE);
        assert_eq!((packet.transaction, packet.file.as_slice()), ([1, 2, 3, 4], &b"ipxe.efi"[..]));
        assert_eq!(to, "255.255.255.255:68".parse().unwrap());
    }

    #[test]
    fn each_port_answers_its_own_requests() {
        let kinds = |is_boot_port| {
            (0..=9_u8).filter(move |kind| {
                answer(|packet| drop(packet.options.insert(53, vec![*kind])), is_boot_port)
                    .is_some()
            })
        };
        assert_eq!(kinds(false).collect::<Vec<_>>(), [DISCOVER]);
        assert_eq!(kinds(true).collect::<Vec<_>>(), [REQUEST, INFORM]);
        assert!(answer(|packet| packet.is_request = false, false).is_none());
        assert!(answer(|packet| packet.options.clear(), false).is_none());
    }

    #[test]
    fn answers_find_their_way() {
        let relay = Ipv4Addr::new(192, 0, 2, 9);
        let relayed = answer(|packet| packet.relay = relay, false).unwrap();
        assert_eq!(relayed.to, "192.0.2.9:67".parse().unwrap());
        assert_eq!(relayed.packet.relay, relay);
        let client = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 4011);
        let direct = ProxyAnswer::to(&example(), client, false, &settings(), None).unwrap();
        assert_eq!(direct.to, client.into());
    }
}
