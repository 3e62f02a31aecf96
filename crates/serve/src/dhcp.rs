mod answer;
mod options;
mod packet;
mod programs;
mod server;

pub use answer::{ProxyAnswer, ProxySettings};
pub use packet::{DhcpPacket, DhcpParseError};
pub(crate) use programs::missing;
pub(crate) use server::{ProxyServer, settings};
