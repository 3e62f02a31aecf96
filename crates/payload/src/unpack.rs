use liblzma::stream::{Action, Status, Stream};

use crate::OperationKind;

/// Memory that a decompressor may take: a dictionary as large as an operation, and its tables.
const XZ_MEMORY: u64 = 8 << 20;

/// Makes what an operation writes from its data. `None` unless it gives exactly as many bytes as
/// there is room for, from all of the data.
pub(crate) fn unpack(kind: OperationKind, data: &[u8], out: &mut [u8]) -> Option<()> {
    match kind {
        OperationKind::Replace if data.len() == out.len() => out.copy_from_slice(data),
        OperationKind::Zero => out.fill(0),
        OperationKind::ReplaceXz => unpack_xz(data, out)?,
        OperationKind::ReplaceZstd => {
            // The frame's window does not matter: the output itself is the window.
            let count = zstd::zstd_safe::decompress(out, data).ok()?;
            (count == out.len()).then_some(())?;
        }
        _ => return None,
    }
    Some(())
}

/// Unpacks one xz stream that fills `out` exactly.
pub(crate) fn unpack_xz(data: &[u8], out: &mut [u8]) -> Option<()> {
    let mut stream = Stream::new_stream_decoder(XZ_MEMORY, 0).ok()?;
    loop {
        let (read, written) = (position(stream.total_in())?, position(stream.total_out())?);
        let status = stream.process(&data[read..], &mut out[written..], Action::Finish).ok()?;
        let moved = (position(stream.total_in())?, position(stream.total_out())?);
        match status {
            Status::StreamEnd => return (moved == (data.len(), out.len())).then_some(()),
            // Neither more data nor more room will come.
            _ if moved == (read, written) => return None,
            _ => {}
        }
    }
}

fn position(count: u64) -> Option<usize> {
    usize::try_from(count).ok()
}
