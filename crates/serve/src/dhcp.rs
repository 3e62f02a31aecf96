mod answer;
mod options;
mod packet;
mod programs;
mod server;

pub use answer::{ProxyAnswer, ProxySettings};
pub use packet::DhcpPacket;
pub(crate) use programs::missing;
pub(crate) use server::{ProxyServer, settings};
