mod answer;
mod interface;
mod options;
mod packet;
mod programs;
mod server;

pub use answer::{ProxyAnswer, ProxySettings};
pub(crate) use interface::Interfaces;
pub use packet::{DhcpPacket, DhcpParseError};
pub(crate) use programs::missing;
pub(crate) use server::{ProxyServer, open, settings};
