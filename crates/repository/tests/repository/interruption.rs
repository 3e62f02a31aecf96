use std::cell::RefCell;
use std::fs;
use std::sync::Mutex;

use flagstone_fetch::{Body, FileTransport, Transport, TransportError, Url};
use flagstone_repository::RepositoryError;

use crate::support::{ARCHITECTURE, Yard, begin};

/// Reads files, and has something happen before one of them is opened.
struct Meddler<F> {
    at: usize,
    state: Mutex<(usize, RefCell<F>)>,
}

impl<F: FnMut() + Send> Transport for Meddler<F> {
    fn open(&self, url: &Url, offset: u64) -> Result<Body, TransportError> {
        let mut state = self.state.lock().unwrap();
        if state.0 == self.at {
            state.1.borrow_mut()();
        }
        state.0 += 1;
        FileTransport.open(url, offset)
    }
}

#[test]
fn a_reader_in_the_middle_of_a_publication_sees_the_old_state_or_the_new_one() {
    let mut seen = Vec::new();
    for at in 0..6 {
        let yard = Yard::new();
        yard.publish_new("1", begin());
        let transport =
            Meddler { at, state: Mutex::new((0, RefCell::new(|| yard.publish_new("2", begin())))) };
        let repository = yard.open_by(&transport, begin()).unwrap();
        let offer = repository.offer("stable", "a", ARCHITECTURE).unwrap().unwrap();
        let target = repository.target(offer.payload.as_str()).unwrap();
        let bytes = fs::read(target.url.to_path().unwrap()).unwrap();
        assert_eq!(flagstone_artifact::Sha256Digest::of(&bytes), target.sha256);
        seen.push(offer.version.to_string());
    }
    // Root, timestamp, snapshot, targets, channel file: after the second one was opened it is too late.
    assert_eq!(seen, ["2", "2", "1", "1", "1", "1"]);
}

#[test]
fn a_publication_that_was_cut_off_leaves_the_old_state_and_can_be_done_again() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    let old = fs::read(yard.metadata("timestamp.json")).unwrap();
    let path = yard.release("2");
    yard.publish(std::slice::from_ref(&path), begin()).unwrap();
    // The last write did not happen.
    fs::write(yard.metadata("timestamp.json"), old).unwrap();
    assert_eq!(yard.offered(begin()).unwrap(), "1");
    yard.publish(&[path], begin()).unwrap();
    assert_eq!(yard.offered(begin()).unwrap(), "2");
}

#[test]
fn what_was_seen_is_read_whole_or_missed() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    yard.save("old");
    yard.publish_new("2", begin());
    assert_eq!(yard.offered(begin()).unwrap(), "2");
    yard.restore("old");
    // A file that was cut off does not open the door to old metadata.
    let seen = yard.path("seen/timestamp.json");
    let good = fs::read(&seen).unwrap();
    for length in [0, good.len() / 2] {
        fs::write(&seen, &good[..length]).unwrap();
        let error = yard.offered(begin()).unwrap_err();
        assert!(matches!(error, RepositoryError::Damaged { .. }), "{error}");
        assert!(error.hint().unwrap().contains("removing the file"));
    }
    fs::write(&seen, good).unwrap();
    assert!(matches!(yard.offered(begin()), Err(RepositoryError::Rollback { .. })));
    // What was half written under another name when the power went is in nobody's way.
    fs::write(yard.path("seen/.timestamp.json.new"), "{").unwrap();
    assert!(matches!(yard.offered(begin()), Err(RepositoryError::Rollback { .. })));
}

#[test]
fn asking_again_reads_the_timestamp_and_little_else() {
    let yard = Yard::new();
    yard.publish_new("1", begin());
    yard.open(begin()).unwrap();
    let counting = Meddler { at: usize::MAX, state: Mutex::new((0, RefCell::new(|| {}))) };
    yard.open_by(&counting, begin()).unwrap();
    // Whether there is a newer root, and the timestamp.
    assert_eq!(counting.state.lock().unwrap().0, 2);
}
