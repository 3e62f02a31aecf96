mod packet;
mod server;
mod transfer;

pub use packet::TftpPacket;
pub(crate) use server::TftpServer;
