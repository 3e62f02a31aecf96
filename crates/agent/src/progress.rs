/// What an installation does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Clears both ends of the disk.
    Clearing,
    /// Writes the image.
    Writing,
    /// Writes the OEM partition and the partition table.
    Finishing,
}

/// Hears what an installation does.
pub trait Progress {
    /// A step begins.
    fn step(&self, step: Step);
    /// So many bytes of the image are written.
    fn written(&self, bytes: u64, total: u64);
    /// A connection broke, and another try is made.
    fn retrying(&self, reason: &dyn std::error::Error);
    /// Something that a person ought to know.
    fn warn(&self, text: &str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: Step) {}
    fn written(&self, _: u64, _: u64) {}
    fn retrying(&self, _: &dyn std::error::Error) {}
    fn warn(&self, _: &str) {}
}
