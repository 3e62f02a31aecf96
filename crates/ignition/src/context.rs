use crate::report::{Collector, Problem};
use crate::shipped::Shipped;

/// What the checks of one configuration share.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) out: Collector<'a>,
    /// The minor number of the configuration's version.
    pub(crate) minor: u8,
    /// What the image brings, if one is given.
    pub(crate) shipped: Option<&'a Shipped>,
}

impl Context<'_> {
    pub(crate) fn add(&mut self, problem: Problem<'_>) {
        self.out.add(problem);
    }
}
