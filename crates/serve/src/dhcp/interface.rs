use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{SockaddrIn, SockaddrStorage};

use crate::{DhcpConfig, ServeError};

/// What stands for all interfaces in a configuration.
pub(crate) const ALL: &str = "*";

/// The interfaces of this machine, by name.
#[derive(Debug, Default)]
pub(crate) struct Interfaces(BTreeMap<String, Interface>);

#[derive(Debug, Default)]
struct Interface {
    is_loopback: bool,
    addresses: Vec<Ipv4Addr>,
}

impl Interfaces {
    /// Asks the kernel for all of them, those without an address included.
    pub(crate) fn read() -> Result<Self, ServeError> {
        let entries =
            getifaddrs().map_err(|error| ServeError::Interfaces { source: error.into() })?;
        let mut all = Self::default();
        for entry in entries {
            // An address may have a label of its own, which begins with the interface: `eth0:1`.
            let name = entry.interface_name.split(':').next().unwrap_or_default();
            let interface = all.0.entry(name.to_owned()).or_default();
            interface.is_loopback = entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
            let address = entry.address.as_ref().and_then(SockaddrStorage::as_sockaddr_in);
            interface.addresses.extend(address.map(SockaddrIn::ip));
        }
        Ok(all)
    }

    /// Returns the interface that sockets for DHCP are kept to, if they are: the one that is named,
    /// else the one with the address that machines are told.
    ///
    /// The loopback interface is never chosen for its address: one that is there besides 127.0.0.1
    /// is reached through others.
    pub(crate) fn choose(
        &self,
        dhcp: &DhcpConfig,
        http: IpAddr,
    ) -> Result<Option<String>, ServeError> {
        match dhcp.interface.as_deref() {
            Some(ALL) => Ok(None),
            Some(name) if self.0.contains_key(name) => Ok(Some(name.to_owned())),
            Some(name) => Err(ServeError::NoInterface {
                name: name.to_owned(),
                known: self.0.keys().cloned().collect(),
            }),
            None => Ok(told_address(dhcp, http).and_then(|address| {
                let has_it = |interface: &Interface| {
                    !interface.is_loopback && interface.addresses.contains(&address)
                };
                self.0.iter().find(|(_, one)| has_it(one)).map(|(name, _)| name.clone())
            })),
        }
    }

    /// Returns the first address of an interface.
    pub(crate) fn address_of(&self, name: &str) -> Option<Ipv4Addr> {
        self.0.get(name)?.addresses.first().copied()
    }
}

/// Returns the address that the configuration has machines be told.
pub(crate) fn told_address(dhcp: &DhcpConfig, http: IpAddr) -> Option<Ipv4Addr> {
    dhcp.address.or(match http {
        IpAddr::V4(address) if !address.is_unspecified() => Some(address),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_kept_to_the_interface_that_is_meant() {
        let interface = |is_loopback, addresses: &[[u8; 4]]| Interface {
            is_loopback,
            addresses: addresses.iter().map(|address| Ipv4Addr::from(*address)).collect(),
        };
        let interfaces = Interfaces(BTreeMap::from([
            ("a".to_owned(), interface(false, &[[192, 0, 2, 1], [192, 0, 2, 2]])),
            ("b".to_owned(), interface(false, &[])),
            ("lo".to_owned(), interface(true, &[[127, 0, 0, 1], [192, 0, 2, 3]])),
        ]));
        let chosen = |name: Option<&str>, told: Option<[u8; 4]>, http: [u8; 4]| {
            let interface = name.map(str::to_owned);
            let address = told.map(Ipv4Addr::from);
            let dhcp = DhcpConfig { address, interface, ..DhcpConfig::default() };
            let chosen = interfaces.choose(&dhcp, Ipv4Addr::from(http).into());
            chosen.map_err(|error| error.to_string())
        };
        let is = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(chosen(Some("b"), Some([192, 0, 2, 1]), [0; 4]), is("b"));
        assert_eq!(chosen(Some("*"), Some([192, 0, 2, 1]), [0; 4]), Ok(None));
        assert_eq!(chosen(None, Some([192, 0, 2, 2]), [0; 4]), is("a"));
        assert_eq!(chosen(None, None, [192, 0, 2, 1]), is("a"));
        assert_eq!(chosen(None, Some([192, 0, 2, 9]), [192, 0, 2, 1]), Ok(None));
        assert_eq!(chosen(None, None, [0; 4]), Ok(None));
        assert_eq!(chosen(None, None, [127, 0, 0, 1]), Ok(None));
        assert_eq!(chosen(None, Some([192, 0, 2, 3]), [0; 4]), Ok(None));
        let refused = chosen(Some("c"), None, [0; 4]).unwrap_err();
        assert_eq!(refused, "there is no interface `c`: this machine has a, b, lo");
        assert_eq!(interfaces.address_of("a"), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(interfaces.address_of("b"), None);
    }
}
