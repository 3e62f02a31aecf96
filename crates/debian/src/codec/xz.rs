use std::io::{self, Read};
use std::num::NonZeroUsize;

use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, MtStreamBuilder, Stream};

/// How much memory a decoder may use: its highest preset needs 65 MiB.
const MEMORY: u64 = 128 << 20;
/// How much memory the threads of one decoder may use together; with less, there are fewer. A
/// thread holds a block of data and its compressed form, 24 MiB and up to as much.
const THREADS_MEMORY: u64 = 256 << 20;

/// Decompresses one or more streams, one after the other.
///
/// liblzma has a decoder for threads, which ends with the first stream, and one for many streams.
/// `dpkg-deb` writes one stream, so the first one reads it, and the second what may come after.
pub(super) struct XzReader<'a> {
    decoder: XzDecoder<&'a [u8]>,
    /// Whether the decoder ends with its stream.
    single: bool,
}

impl<'a> XzReader<'a> {
    pub(super) fn new(data: &'a [u8], threads: NonZeroUsize) -> io::Result<Self> {
        let single = threads.get() > 1;
        let stream = if single {
            MtStreamBuilder::new()
                .threads(u32::try_from(threads.get()).unwrap_or(u32::MAX))
                .memlimit_threading(THREADS_MEMORY)
                .memlimit_stop(THREADS_MEMORY)
                .decoder()?
        } else {
            Stream::new_stream_decoder(MEMORY, CONCATENATED)?
        };
        Ok(Self { decoder: XzDecoder::new_stream(data, stream), single })
    }
}

impl Read for XzReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        if count > 0 || !self.single || buffer.is_empty() {
            return Ok(count);
        }
        // Streams are padded to four bytes (xz file format, 2.2); the decoder takes padding after
        // a stream, but not before.
        let mut rest = *self.decoder.get_ref();
        while let Some(after) = rest.strip_prefix(&[0; 4]) {
            rest = after;
        }
        self.single = false;
        if rest.is_empty() {
            return Ok(0);
        }
        let stream = Stream::new_stream_decoder(MEMORY, CONCATENATED)?;
        self.decoder = XzDecoder::new_stream(rest, stream);
        self.read(buffer)
    }
}
