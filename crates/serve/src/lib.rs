//! The network-boot server: HTTP, TFTP and proxy DHCP in one process.
//!
//! A machine that boots from the network asks for three things: where its boot program is (DHCP),
//! that program (TFTP, or HTTP from UEFI firmware that speaks it), and then, from the program,
//! iPXE, what to boot. [`Server`] answers all three from one or more served [folders](Config::folders)
//! and never writes to a disk:
//!
//! 1. `/boot.ipxe` sends a machine on to `/ipxe` with its labels (MAC address, UUID, serial number,
//!    …) in the query;
//! 2. the labels choose a group, the most specific one that matches, and the group names a profile;
//! 3. the profile becomes an iPXE script, whose files lie below `/files/`, and an Ignition document
//!    at `/ignition`.
//!
//! What decides is pure and knows neither sockets nor clocks: [`Config`] from its text, labels from
//! a query, templates, ranges, the packets of TFTP ([`TftpPacket`]) and DHCP ([`DhcpPacket`]), one
//! transfer of TFTP as a state machine. Around it lie thin tasks that own a socket each. This is the
//! only crate with asynchronous code: one thread a machine would not carry a rack that boots at
//! once.
//!
//! A request is answered from below a served folder or not at all: the kernel resolves a path
//! beneath the folder's descriptor (`openat2`), after the text of the path was checked. Files that a
//! profile names and that stand in a `SHA256SUMS` beside them are served only while they match it.
//!
//! The crate must not know recipes, images or trees: it serves files, whatever made them.

mod address;
mod body;
mod boot_set;
mod checks;
mod condition;
mod config;
mod config_file;
mod connection;
mod dhcp;
mod diagnostic;
mod error;
mod exchange;
mod folder;
mod group;
mod http;
mod ignition;
mod label;
mod log;
mod machines;
mod metrics;
mod percent;
mod plan;
mod profile;
mod range;
mod reload;
mod reply;
mod script;
mod served_path;
mod server;
mod state;
mod status_page;
mod suggest;
mod sums;
mod template;
mod tftp;
mod tls;
mod wire;

pub use config::{Config, DhcpConfig, HttpBoot, Limits, LogFormat, TlsFiles};
pub use dhcp::{DhcpPacket, DhcpParseError, ProxyAnswer, ProxySettings};
pub use diagnostic::{Mistake, Mistakes};
pub use error::ServeError;
pub use reload::Reloader;
pub use script::BootScript;
pub use server::{Addresses, Server};
pub use tftp::{TftpErrorCode, TftpPacket, TftpParseError};
