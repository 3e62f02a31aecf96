mod packet;
mod server;
mod transfer;

pub use packet::{TftpErrorCode, TftpPacket, TftpParseError};
pub(crate) use server::TftpServer;
