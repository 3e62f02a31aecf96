use std::time::Duration;

/// The block size of TFTP without options.
const DEFAULT_BLOCK: u64 = 512;
/// What a client may ask for (RFC 2348).
const BLOCK: std::ops::RangeInclusive<u64> = 8..=65464;
/// The largest window that is granted (RFC 7440): a burst that a switch can still hold.
const MAX_WINDOW: u64 = 64;
/// How often the same blocks are sent again before the client is given up.
const MAX_REPEATS: u32 = 6;
/// How long an answer is waited for at first; each repeat waits twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// One file on its way to one client. The machine knows no socket and no clock: it is told what
/// arrived, or that nothing did, and says what to do.
#[derive(Debug)]
pub(crate) struct Transfer {
    size: u64,
    block_size: u64,
    window: u64,
    wait: Duration,
    /// What was agreed on; empty if the client wished nothing.
    options: Vec<(&'static str, u64)>,
    /// Whether the client still has to agree to the options.
    is_opening: bool,
    /// Blocks that have arrived; the first one is number 1.
    acknowledged: u64,
    /// The last block that was sent.
    sent: u64,
    repeats: u32,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send the options.
    SendOptions,
    /// Send the blocks from the first to the second, both included.
    SendBlocks(u64, u64),
    /// Go on waiting.
    Wait,
    /// Everything has arrived.
    Done,
    /// The client is gone.
    GiveUp,
}

impl Transfer {
    /// Plans the transfer of a file of `size` bytes; unknown options are passed over.
    pub(crate) fn new(size: u64, wishes: &[(&str, &str)]) -> Self {
        let mut transfer = Self {
            size,
            block_size: DEFAULT_BLOCK,
            window: 1,
            wait: FIRST_WAIT,
            options: Vec::new(),
            is_opening: false,
            acknowledged: 0,
            sent: 0,
            repeats: 0,
        };
        for (name, value) in wishes {
            if let Ok(value) = value.parse::<u64>() {
                transfer.wish(&name.to_ascii_lowercase(), value);
            }
        }
        transfer.is_opening = !transfer.options.is_empty();
        transfer
    }

    fn wish(&mut self, name: &str, value: u64) {
        let granted = match name {
            "blksize" if value >= *BLOCK.start() => {
                self.block_size = value.min(*BLOCK.end());
                ("blksize", self.block_size)
            }
            "windowsize" if value >= 1 => {
                self.window = value.min(MAX_WINDOW);
                ("windowsize", self.window)
            }
            "timeout" if (1..=255).contains(&value) => {
                self.wait = Duration::from_secs(value);
                ("timeout", value)
            }
            "tsize" => ("tsize", self.size),
            _ => return,
        };
        if self.options.iter().all(|(known, _)| *known != granted.0) {
            self.options.push(granted);
        }
    }

    /// Returns what was agreed on.
    pub(crate) fn options(&self) -> &[(&'static str, u64)] {
        &self.options
    }

    /// Returns where a block lies in the file; the last one is shorter than the others, if need be
    /// empty.
    pub(crate) fn span(&self, block: u64) -> (u64, u64) {
        let offset = (block - 1) * self.block_size;
        (offset, self.block_size.min(self.size.saturating_sub(offset)))
    }

    /// Returns how long to wait for the client.
    pub(crate) fn wait(&self) -> Duration {
        self.wait * 2_u32.pow(self.repeats.min(4))
    }

    /// Returns how many bytes have arrived.
    pub(crate) fn arrived(&self) -> u64 {
        (self.acknowledged * self.block_size).min(self.size)
    }

    /// Begins.
    pub(crate) fn start(&mut self) -> Step {
        if self.is_opening { Step::SendOptions } else { self.send() }
    }

    /// The client says that it has everything up to a block, of whose number only 16 bits are told.
    pub(crate) fn acknowledge(&mut self, block: u16) -> Step {
        if self.is_opening {
            if block != 0 {
                return Step::Wait;
            }
            self.is_opening = false;
            self.repeats = 0;
            return self.send();
        }
        let low = |number: u64| u16::try_from(number & 0xffff).unwrap_or_default();
        let progress = u64::from(block.wrapping_sub(low(self.acknowledged)));
        if progress > self.sent - self.acknowledged {
            return Step::Wait;
        }
        // Without a window, a block that was acknowledged twice would be sent twice, and so on with
        // all that follow. With one, this is how a client says that the window's begin was lost.
        if progress == 0 && (self.window == 1 || self.repeats > 0) {
            return Step::Wait;
        }
        self.repeats = u32::from(progress == 0);
        self.acknowledged += progress;
        if self.acknowledged == self.last() { Step::Done } else { self.send() }
    }

    /// Nothing came for as long as [`wait`](Self::wait).
    pub(crate) fn nothing_came(&mut self) -> Step {
        self.repeats += 1;
        if self.repeats > MAX_REPEATS { Step::GiveUp } else { self.start() }
    }

    fn send(&mut self) -> Step {
        self.sent = (self.acknowledged + self.window).min(self.last());
        Step::SendBlocks(self.acknowledged + 1, self.sent)
    }

    fn last(&self) -> u64 {
        self.size / self.block_size + 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Step::{Done, GiveUp, SendBlocks, SendOptions, Wait};

    #[test]
    fn a_file_goes_block_by_block() {
        let mut transfer = Transfer::new(1024, &[]);
        assert_eq!(transfer.start(), SendBlocks(1, 1));
        assert_eq!(transfer.acknowledge(1), SendBlocks(2, 2));
        assert_eq!(transfer.acknowledge(1), Wait);
        assert_eq!(transfer.acknowledge(7), Wait);
        assert_eq!(transfer.acknowledge(2), SendBlocks(3, 3));
        assert_eq!(transfer.span(3), (1024, 0));
        assert_eq!(transfer.acknowledge(3), Done);
        let mut empty = Transfer::new(0, &[]);
        assert_eq!((empty.start(), empty.span(1)), (SendBlocks(1, 1), (0, 0)));
        assert_eq!(empty.acknowledge(1), Done);
    }

    #[test]
    fn options_are_agreed_on_first() {
        let wishes = [
            ("BlkSize", "1432"),
            ("tsize", "0"),
            ("windowsize", "4000"),
            ("timeout", "3"),
            ("blksize", "9"),
            ("multicast", ""),
            ("tsize", "x"),
        ];
        let mut transfer = Transfer::new(5000, &wishes);
        let agreed = [("blksize", 9), ("tsize", 5000), ("windowsize", 64), ("timeout", 3)];
        assert_eq!(transfer.options()[1..], agreed[1..]);
        assert_eq!((transfer.start(), transfer.wait().as_secs()), (SendOptions, 3));
        assert_eq!(transfer.acknowledge(1), Wait);
        assert_eq!(transfer.acknowledge(0), SendBlocks(1, 64));
        for wish in [("blksize", "7"), ("windowsize", "0"), ("timeout", "0"), ("timeout", "256")] {
            assert_eq!(Transfer::new(1, &[wish]).start(), SendBlocks(1, 1), "{wish:?}");
        }
    }

    #[test]
    fn a_window_is_sent_again_from_where_it_broke() {
        let mut transfer = Transfer::new(512 * 9, &[("windowsize", "4")]);
        transfer.start();
        assert_eq!(transfer.acknowledge(0), SendBlocks(1, 4));
        assert_eq!(transfer.acknowledge(2), SendBlocks(3, 6));
        assert_eq!(transfer.acknowledge(2), SendBlocks(3, 6));
        assert_eq!(transfer.acknowledge(2), Wait);
        assert_eq!(transfer.acknowledge(6), SendBlocks(7, 10));
        assert_eq!(transfer.nothing_came(), SendBlocks(7, 10));
        assert_eq!(transfer.acknowledge(10), Done);
    }

    #[test]
    fn a_silent_client_is_given_up() {
        let mut transfer = Transfer::new(1, &[]);
        transfer.start();
        let steps: Vec<Step> = (0..7).map(|_| transfer.nothing_came()).collect();
        assert_eq!(steps[5], SendBlocks(1, 1));
        assert_eq!(steps[6], GiveUp);
    }

    #[test]
    fn block_numbers_begin_again_after_65535() {
        let mut transfer = Transfer::new(70_000 * 8, &[("blksize", "8")]);
        transfer.start();
        let mut step = transfer.acknowledge(0);
        let mut blocks = 0_u64;
        while let SendBlocks(first, last) = step {
            assert_eq!((first, last), (blocks + 1, blocks + 1));
            blocks = last;
            step = transfer.acknowledge(u16::try_from(last & 0xffff).unwrap());
        }
        assert_eq!((step, blocks, transfer.arrived()), (Done, 70_001, 560_000));
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_blocks_stay_inside_the_file(
            size in 0..100_000_u64, block in 8..2000_u64, window in 1..70_u64,
            events in proptest::collection::vec(any::<Option<u16>>(), 0..200),
        ) {
            let wishes = [("blksize", block.to_string()), ("windowsize", window.to_string())];
            let wishes: Vec<_> = wishes.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let mut transfer = Transfer::new(size, &wishes);
            let mut step = transfer.start();
            for event in events {
                if let SendBlocks(first, last) = step {
                    prop_assert!(first <= last && last - first < 64);
                    let (offset, len) = transfer.span(last);
                    prop_assert!(offset + len <= size);
                }
                if matches!(step, Done | GiveUp) {
                    break;
                }
                step = match event {
                    Some(number) => transfer.acknowledge(number % 80),
                    None => transfer.nothing_came(),
                };
            }
        }
    }
}
