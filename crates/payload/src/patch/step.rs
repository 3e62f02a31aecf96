/// One step of making new content: bytes that are sums of old ones and differences, then bytes that are
/// new; and how far to go in the old content before the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes that resemble old ones.
    pub alike: usize,
    /// Bytes that are new.
    pub fresh: usize,
    /// How far the old bytes of the next step begin from the end of this one's.
    pub skip: i64,
}
